package integration_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A closeWay is one of a library's ways to send a Close.
type closeWay struct {
	name    string
	payload bool // it takes a payload, into which not every int fits
	do      func(s socket, code int, reason string) error
}

var (
	plainGorillaWays = []closeWay{
		{"WriteControl", true, func(s socket, code int, reason string) error { return s.CloseWith(code, reason) }},
		{"WriteMessage", true, func(s socket, code int, reason string) error {
			return s.(sockets.Gorilla).Conn.WriteMessage(gorilla.CloseMessage, rawpeer.Close(code, reason).Payload)
		}},
	}
	adapterWays = map[string][]closeWay{
		"gorilla": append(plainGorillaWays,
			closeWay{"NextWriter", true, func(s socket, code int, reason string) error {
				w, err := s.(sockets.Gorilla).Conn.(*gorillaadapter.Conn).NextWriter(gorilla.CloseMessage)
				if err != nil {
					return err
				}
				_, err = w.Write(rawpeer.Close(code, reason).Payload)
				return errors.Join(err, w.Close())
			}},
			closeWay{"CloseWith", false, func(s socket, code int, reason string) error {
				return s.(sockets.Gorilla).Conn.(*gorillaadapter.Conn).CloseWith(context.Background(), closeguard.Code(code), reason)
			}}),
		"coder": {
			{"Close", false, func(s socket, code int, reason string) error { return s.CloseWith(code, reason) }},
			{"CloseWith", false, func(s socket, code int, reason string) error {
				return s.(sockets.Coder).Conn.(*coderadapter.Conn).CloseWith(context.Background(), closeguard.Code(code), reason)
			}},
		},
	}
)

// attempt answers the first message with what do returns to the test, and
// echoes it and all others.
func attempt(do <-chan func(socket) error, done chan<- error) handler {
	return func(r *http.Request, s socket) error {
		text, message, err := s.Read()
		if err != nil {
			return err
		}
		done <- (<-do)(s)
		if err := s.Write(text, message); err != nil {
			return err
		}
		return echo(r, s)
	}
}

// once does one thing and leaves.
func once(do <-chan func(socket) error, done chan<- error) handler {
	return func(_ *http.Request, s socket) error {
		done <- (<-do)(s)
		return nil
	}
}

// Through the adapters a Close that must not be sent is an error, nothing goes
// out, and the connection is as good as before.
func TestIllegalCloseThroughAnAdapter(t *testing.T) {
	do, done := make(chan func(socket) error, 1), make(chan error, 1)
	s := serve(t, "ws", closeguard.Options{}, attempt(do, done))
	long := strings.Repeat("x", 124)
	for _, tt := range []struct {
		name    string
		code    int
		reason  string
		rule    string
		payload string // the rule that the payload breaks, "": the same
	}{
		{"code 0", 0, "", illegal("close code", 0), ""},
		{"code 999", 999, "", illegal("close code", 999), ""},
		{"code 1004", 1004, "", illegal("close code", 1004), ""},
		{"code 1005 with a reason", 1005, "why", illegal("reason without code", 3), illegal("close code", 1005)},
		{"code 1006", 1006, "", illegal("close code", 1006), ""},
		{"code 1010, of clients", 1010, "", illegal("close code", 1010), ""},
		{"code 1015", 1015, "", illegal("close code", 1015), ""},
		{"code 1016", 1016, "", illegal("close code", 1016), ""},
		{"code 2999", 2999, "", illegal("close code", 2999), ""},
		{"code 5000", 5000, "", illegal("close code", 5000), ""},
		{"code 65535", 65535, "", illegal("close code", 65535), ""},
		{"a reason of 124 bytes", 1000, long, illegal("reason length", 124), illegal("control frame length", 126)},
		{"a reason that is not UTF-8", 1000, "caf\xe9", illegal("reason UTF-8", 3), ""},
		{"code 70000", 70000, "", illegal("close code", 70000), "legal"}, // as payload 4464
		{"code -1", -1, "", illegal("close code", -1), "legal"},          // as payload 65535, see above
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, e := range endpoints {
				for _, way := range adapterWays[e.Library] {
					if !e.Adapter || way.payload && tt.payload == "legal" {
						continue
					}
					t.Run(e.Library+" "+way.name, func(t *testing.T) {
						p := s.dial(t, e)
						do <- func(s socket) error { return way.do(s, tt.code, tt.reason) }
						p.send(t, hello)
						err := <-done
						want := tt.rule
						if way.payload && tt.payload != "" {
							want = tt.payload
						}
						var fe *closeguard.FrameError
						if !errors.As(err, &fe) || illegal(fe.Rule, fe.Value) != want {
							t.Errorf("error %v, want a *closeguard.FrameError for %s", err, want)
						}
						p.expect(t, hello)
						p.send(t, rawpeer.Text("again"))
						p.expect(t, rawpeer.Text("again"))
						p.send(t, empty)
						p.expectEnd(t, rawpeer.FIN, empty)
						want2 := ending{kind: "peer closed", code: 1005, clean: true, sent: closing(1005, ""), received: closing(1005, "")}
						if got := endingOf(p.event(t)); got != want2 {
							t.Errorf("got %+v, want %+v", got, want2)
						}
					})
				}
			}
		})
	}
}

// Plain gorilla code writes whatever it is given; what leaves is the nearest
// legal Close.
func TestIllegalCloseOfPlainGorillaCode(t *testing.T) {
	do, done := make(chan func(socket) error, 1), make(chan error, 1)
	s := serve(t, "ws", closeguard.Options{}, once(do, done))
	for _, tt := range []struct {
		name     string
		code     int
		reason   string
		wire     rawpeer.Frame
		intended string
	}{
		{"code 0", 0, "zero", rawpeer.Close(1011, "zero"), closing(0, "zero")},
		{"code 999", 999, "", rawpeer.Close(1011, ""), closing(999, "")},
		{"code 1004", 1004, "", rawpeer.Close(1011, ""), closing(1004, "")},
		{"code 1005", 1005, "", empty, closing(1005, "")},
		{"code 1005 with a reason", 1005, "why", empty, closing(1005, "why")},
		{"code 1006", 1006, "lost", rawpeer.Close(1001, "lost"), closing(1006, "lost")},
		{"code 1010, of clients", 1010, "", rawpeer.Close(1011, ""), closing(1010, "")},
		{"code 1015", 1015, "", rawpeer.Close(1001, ""), closing(1015, "")},
		{"code 2999", 2999, "", rawpeer.Close(1011, ""), closing(2999, "")},
		{"code 5000", 5000, "", rawpeer.Close(1011, ""), closing(5000, "")},
		{"code 65535", 65535, "", rawpeer.Close(1011, ""), closing(65535, "")},
		{"a reason that is not UTF-8", 4000, "caf\xe9", rawpeer.Close(4000, "caf\uFFFD"), closing(4000, "caf\uFFFD")},
		{"a reason that grows too long when repaired", 4000, "\xe9" + strings.Repeat("x", 122), rawpeer.Close(4000, "\uFFFD"+strings.Repeat("x", 120)), closing(4000, "\uFFFD"+strings.Repeat("x", 120))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, way := range plainGorillaWays {
				t.Run(way.name, func(t *testing.T) {
					p := s.dial(t, endpoints[2])
					do <- func(s socket) error { return way.do(s, tt.code, tt.reason) }
					if err := <-done; err != nil {
						t.Errorf("the library said %v", err)
					}
					p.expect(t, tt.wire)
					p.send(t, tt.wire)
					p.expectEnd(t, rawpeer.FIN)
					sent, _ := closeguard.ParseCloseFrame(tt.wire.Payload)
					want := ending{kind: "local closed", code: sent.Code, clean: true, sent: sent.String(), received: sent.String(), intended: tt.intended}
					if got := endingOf(p.event(t)); got != want {
						t.Errorf("got %+v, want %+v", got, want)
					}
				})
			}
		})
	}
}

// What a library refuses never reaches the wire, and the guard doesn't know
// what was meant: it sees TCP closed.
func TestIllegalCloseThatAPlainLibraryRefuses(t *testing.T) {
	do, done := make(chan func(socket) error, 1), make(chan error, 1)
	s := serve(t, "ws", closeguard.Options{}, once(do, done))
	gorillaEndpoint, coderEndpoint := endpoints[2], endpoints[3]
	for _, tt := range []struct {
		name   string
		e      endpoint
		code   int
		reason string
	}{
		{"gorilla, a reason of 124 bytes", gorillaEndpoint, 1000, strings.Repeat("x", 124)},
		{"coder, a reason of 124 bytes", coderEndpoint, 1000, strings.Repeat("x", 124)},
		{"coder, code 0", coderEndpoint, 0, ""},
		{"coder, code 1006", coderEndpoint, 1006, ""},
		{"coder, code 5000", coderEndpoint, 5000, ""},
		{"coder, code 70000", coderEndpoint, 70000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := s.dial(t, tt.e)
			do <- func(s socket) error { return s.CloseWith(tt.code, tt.reason) }
			if err := <-done; err == nil {
				t.Error("the library took it")
			}
			going := rawpeer.Close(1001, "")
			p.expect(t, going)
			p.send(t, going)
			p.expectEnd(t, rawpeer.FIN)
			want := ending{kind: "local closed", code: 1001, clean: true, sent: closing(1001, ""), received: closing(1001, "")}
			ev := p.event(t)
			if got := endingOf(ev); got != want || !errors.Is(ev, closeguard.ErrBareClose) {
				t.Errorf("got %+v (%v), want %+v and ErrBareClose", got, ev, want)
			}
		})
	}
}

// coder checks neither a reason's UTF-8 nor what becomes of one beside 1005.
func TestReasonOfPlainCoderCode(t *testing.T) {
	done := make(chan error, 1)
	do := make(chan func(socket) error, 1)
	s := serve(t, "ws", closeguard.Options{}, func(_ *http.Request, s socket) error {
		done <- (<-do)(s)
		return nil
	})
	for _, tt := range []struct {
		name   string
		code   int
		reason string
		wire   rawpeer.Frame
		want   ending
	}{
		{"not UTF-8", 4000, "caf\xe9", rawpeer.Close(4000, "caf\uFFFD"), ending{
			kind: "local closed", code: 4000, clean: true, sent: closing(4000, "caf\uFFFD"), intended: closing(4000, "caf\uFFFD"),
		}},
		{"with 1005", int(coder.StatusNoStatusRcvd), "why", empty, ending{
			kind: "local closed", code: 1005, clean: true, sent: closing(1005, ""),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := s.dial(t, endpoints[3])
			do <- func(s socket) error { return s.CloseWith(tt.code, tt.reason) }
			p.expect(t, tt.wire)
			p.send(t, tt.wire)
			p.expectEnd(t, rawpeer.FIN)
			if err := <-done; err != nil {
				t.Errorf("the library said %v", err)
			}
			tt.want.received = tt.want.sent
			if got := endingOf(p.event(t)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A handler that returns an illegal closeguard.Error has nobody left to tell:
// the nearest legal Close is sent.
func TestHandlerReturnsAnIllegalClose(t *testing.T) {
	cause := errors.New("told to")
	s := serve(t, "ws", closeguard.Options{}, func(*http.Request, socket) error {
		return closeguard.Error(1006, "lost", cause)
	})
	for _, e := range endpoints[:2] {
		t.Run(e.Path, func(t *testing.T) {
			p := s.dial(t, e)
			p.expect(t, rawpeer.Close(1001, "lost"))
			p.send(t, rawpeer.Close(1001, ""))
			p.expectEnd(t, rawpeer.FIN)
			want := ending{
				kind: "local closed", code: 1001, clean: true,
				sent: closing(1001, "lost"), received: closing(1001, ""), intended: closing(1006, "lost"),
			}
			ev := p.event(t)
			if got := endingOf(ev); got != want || !errors.Is(ev, cause) {
				t.Errorf("got %+v (%v), want %+v and %v", got, ev, want, cause)
			}
		})
	}
}
