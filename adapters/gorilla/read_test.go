package gorilla_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// The library says io.EOF, as at the end of a message, where a message ends
// too early that nobody reads.
func TestTheEndOfTCPInASkippedMessage(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	p.Send(twintest.Frame(0x81, "half of this is missing")[:10])
	if _, _, err := c.NextReader(); err != nil {
		t.Fatal(err)
	}
	p.FIN()
	_, _, err := c.NextReader()
	twintest.ExpectEvent(t, err, "dropped")
	c.Close()
	twintest.ExpectEvent(t, s.Event(t), "dropped")
}

// A reader that the program has kept doesn't read the next message.
func TestAStaleReaderReadsNothing(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	p.Send(twintest.Frame(0x81, "old"), twintest.Frame(0x81, "new"))
	_, stale, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	_, fresh, err := c.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(stale); len(b) != 0 || err != nil {
		t.Errorf("the stale reader read %q, %v", b, err)
	}
	if b, err := io.ReadAll(fresh); string(b) != "new" || err != nil {
		t.Errorf("the fresh reader read %q, %v", b, err)
	}
	c.Abort()
	twintest.ExpectEvent(t, s.Event(t), "dropped")
}

// A read deadline makes the library's connection unreadable; what the guard
// has is open, and the error is the library's own.
func TestAReadDeadlineEndsNothing(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	c.SetReadDeadline(time.Unix(1, 0))
	_, _, err := c.ReadMessage()
	var ne net.Error
	if twintest.Kind(err) != "open" || !errors.As(err, &ne) || !ne.Timeout() || c.Event() != nil {
		t.Errorf("got %v, event %v; want the library's timeout and no event", err, c.Event())
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("still here")); err != nil {
		t.Error(err)
	}
	p.Expect("still here")
	go func() { p.End() }()
	if err := c.CloseWith(t.Context(), closeguard.PolicyViolation, "too slow"); err != nil {
		t.Error(err)
	}
	if ev := s.Event(t); twintest.Kind(ev) != "local closed 1008" || ev.End().Err != nil {
		t.Errorf("event %v, want one without a cause", ev)
	}
}

// The library's functions assert a type and so can't see into an event; the
// adapter's give the answer that the library's give on a bare connection.
func TestIsCloseError(t *testing.T) {
	for _, e := range []struct {
		name               string
		err                error // as on a bare connection
		is1001, unexpected bool
	}{
		{"the peer closes", &websocket.CloseError{Code: 1001}, true, false},
		{"the peer closes otherwise", &websocket.CloseError{Code: 4000}, false, true},
		{"the end of TCP", &websocket.CloseError{Code: 1006}, false, true},
		{"a reset", syscall.ECONNRESET, false, false},
		{"we have closed", websocket.ErrCloseSent, false, false},
	} {
		t.Run(e.name, func(t *testing.T) {
			for name, err := range map[string]error{"bare": e.err, "guarded": &closeguard.PeerClosed{Ending: closeguard.Ending{Err: e.err}}} {
				if got := gorilla.IsCloseError(err, 1000, 1001); got != e.is1001 {
					t.Errorf("%s: IsCloseError = %t, want %t", name, got, e.is1001)
				}
				if got := gorilla.IsUnexpectedCloseError(err, 1000, 1001); got != e.unexpected {
					t.Errorf("%s: IsUnexpectedCloseError = %t, want %t", name, got, e.unexpected)
				}
			}
			if got := websocket.IsCloseError(e.err, 1000, 1001); got != e.is1001 {
				t.Errorf("the library's IsCloseError = %t, want %t", got, e.is1001)
			}
			if got := websocket.IsUnexpectedCloseError(e.err, 1000, 1001); got != e.unexpected {
				t.Errorf("the library's IsUnexpectedCloseError = %t, want %t", got, e.unexpected)
			}
		})
	}
}

// Where a bare connection's error is a *websocket.CloseError, errors.As finds the same
// one in the event, and the adapter's IsCloseError says what the library's says. A type
// assertion can't: the event has another type.
func TestCloseErrorsAreFoundAsOnABareConnection(t *testing.T) {
	byPeer := []string{"the peer closes", "the peer closes illegally", "an illegal frame", "the end of TCP", "a reset"}
	for _, e := range adapter.Endings() {
		if !slices.Contains(byPeer, e.Name) {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			errs := make(chan error, 1)
			read := func(ws interface {
				ReadMessage() (int, []byte, error)
			}) {
				_, _, err := ws.ReadMessage()
				errs <- err
			}
			end := func(handler func(g *closeguard.Guard) http.Handler) (*twintest.Server, error) {
				s := twintest.Start(t, nil, closeguard.Options{}, handler)
				p := s.Dial(t)
				e.End(t, nil, p, byte(websocket.TextMessage))
				defer p.Close()
				return s, twintest.Within(t, "ReadMessage", errs)
			}
			_, bare := end(func(*closeguard.Guard) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					ws, err := upgrader.Upgrade(w, r, nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer ws.Close()
					read(ws)
				})
			})
			s, guarded := end(func(g *closeguard.Guard) http.Handler {
				return gorilla.Handler(g, &upgrader, func(_ *http.Request, c *gorilla.Conn) error {
					read(c)
					return nil
				})
			})
			s.Event(t)
			var want, got *websocket.CloseError
			if is, was := errors.As(guarded, &got), errors.As(bare, &want); is != was || is && *got != *want {
				t.Errorf("guarded %v, bare %v", guarded, bare)
			}
			for _, codes := range [][]int{{1000, 1001}, {1006}} {
				if gorilla.IsCloseError(guarded, codes...) != websocket.IsCloseError(bare, codes...) ||
					gorilla.IsUnexpectedCloseError(guarded, codes...) != websocket.IsUnexpectedCloseError(bare, codes...) {
					t.Errorf("%v: guarded %v, bare %v", codes, guarded, bare)
				}
			}
		})
	}
}
