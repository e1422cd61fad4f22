package gorilla_test

import (
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// An ending is a way in which a connection ends, and what its event must say.
type ending struct {
	name   string
	half   bool // writing goes on
	before func(c *gorilla.Conn)
	end    func(t *testing.T, c *gorilla.Conn, p *peer, opcode byte) // opcode is that of the peer's next frame
	want   string
	is     error // what is in the tree of the observer's event
}

var endings = []ending{
	{
		name: "the peer closes", want: "peer closed 1001",
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, _ byte) {
			p.send(frame(0x88, closePayload(1001, "tab closed")))
		},
	},
	{
		name: "the peer closes illegally", want: "peer closed 1002",
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, _ byte) { p.send(frame(0x88, closePayload(1006, ""))) },
	},
	{
		name: "we close", want: "local closed 4000",
		end: func(t *testing.T, c *gorilla.Conn, p *peer, _ byte) {
			go c.CloseWith(t.Context(), 4000, "bye")
			if got := p.end(); got != `4000 "bye"` {
				t.Errorf("the peer saw %s", got)
			}
		},
	},
	{
		name: "we close and nobody answers", want: "local closed 4000", is: closeguard.ErrCloseIdle,
		end: func(t *testing.T, c *gorilla.Conn, _ *peer, _ byte) { go c.CloseWith(t.Context(), 4000, "bye") },
	},
	{
		name: "a message over the limit", want: "local closed 1009", is: websocket.ErrReadLimit,
		before: func(c *gorilla.Conn) { c.SetReadLimit(8) },
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, opcode byte) {
			p.send(frame(0x80|opcode, `"more than it takes"`))
		},
	},
	{
		name: "an illegal frame", want: "local closed 1002",
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, _ byte) { p.send(frame(0x83, "")) },
	},
	{
		name: "the end of TCP", want: "dropped", half: true,
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, _ byte) { p.fin() },
	},
	{
		name: "a reset", want: "dropped", is: syscall.ECONNRESET,
		end: func(_ *testing.T, _ *gorilla.Conn, p *peer, _ byte) { p.reset() },
	},
	{
		name: "Abort", want: "dropped", is: closeguard.ErrAborted,
		end: func(_ *testing.T, c *gorilla.Conn, _ *peer, _ byte) { c.Abort() },
	},
	{
		name: "a bare close", want: "local closed 1001", is: closeguard.ErrBareClose,
		end: func(_ *testing.T, c *gorilla.Conn, _ *peer, _ byte) { c.Close() },
	},
}

// A reading is a method that reads. What its ending must not be is nil.
type reading struct {
	name   string
	inside bool // a message has begun
	read   func(ctx context.Context, c *gorilla.Conn) error
}

var readings = []reading{
	{"ReadMessage", false, func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.ReadMessage()
		return err
	}},
	{"ReadMessage inside a message", true, func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.ReadMessage()
		return err
	}},
	{"NextReader", false, func(_ context.Context, c *gorilla.Conn) error {
		_, _, err := c.NextReader()
		return err
	}},
	{"the reader's Read", true, func(_ context.Context, c *gorilla.Conn) error {
		_, r, err := c.NextReader()
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return err
	}},
	{"ReadJSON", false, func(_ context.Context, c *gorilla.Conn) error {
		return c.ReadJSON(new(any))
	}},
	{"ReadJSON inside a message", true, func(_ context.Context, c *gorilla.Conn) error {
		return c.ReadJSON(new(any))
	}},
}

// Whatever ends a connection, every reading method returns the close event,
// of the same type as the observer's.
func TestTerminalReadErrorsAreCloseEvents(t *testing.T) {
	opts := closeguard.Options{CloseIdle: 50 * time.Millisecond}
	for _, m := range readings {
		for _, e := range endings {
			t.Run(m.name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := connect(t, opts)
				if e.before != nil {
					e.before(c)
				}
				opcode := byte(websocket.TextMessage)
				if m.inside {
					p.send(frame(opcode, `"x`))
					opcode = 0
				}
				read := make(chan error, 1)
				go func() { read <- m.read(t.Context(), c) }()
				e.end(t, c, p, opcode)
				expectEvent(t, within(t, m.name, read), e.want)

				c.Close()
				within(t, "Done", c.Done())
				err := m.read(t.Context(), c)
				expectEvent(t, err, e.want)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("begun after the end: %v, want it to be net.ErrClosed", err)
				}
				ev := s.event(t)
				expectEvent(t, ev, e.want)
				if e.is != nil && !errors.Is(ev, e.is) {
					t.Errorf("%v is not %v", ev, e.is)
				}
			})
		}
	}
}

func expectEvent(t *testing.T, err error, want string) {
	t.Helper()
	if _, ok := err.(closeguard.CloseEvent); !ok || kind(err) != want {
		t.Errorf("got %T %v, want the event %s", err, err, want)
	}
}

// What concerns one message only stays what it is, also when the peer's Close
// is with the library already, and the next message is read.
func TestErrorsOfOneMessageStayWhatTheyAre(t *testing.T) {
	is := func(target error) func(error) bool {
		return func(err error) bool { return err == target }
	}
	for _, tt := range []struct {
		name string
		bad  []byte
		read func(c *gorilla.Conn) error
		want func(error) bool
	}{
		{"broken JSON", frame(0x81, `{"a":1]`), readJSON, in[*json.SyntaxError]},
		{"half of a JSON value", frame(0x81, `{"a":`), readJSON, is(io.ErrUnexpectedEOF)},
		{"JSON of another type", frame(0x81, `"text"`), readJSON, in[*json.UnmarshalTypeError]},
		{"no JSON value", frame(0x81, ""), readJSON, is(io.ErrUnexpectedEOF)},
		{"corrupt compression", frame(0xc1, "\xff\xff\xff\xff"), readMessage, in[flate.CorruptInputError]},
		{"half of a compressed block", frame(0xc1, "\x00\x64\x00\x9b\xffhalf of 100 bytes"), readMessage, is(io.ErrUnexpectedEOF)},
	} {
		for _, closing := range []bool{false, true} {
			name := tt.name
			if closing {
				name += " before a Close"
			}
			t.Run(name, func(t *testing.T) {
				s, c, p := connect(t, closeguard.Options{})
				good, end := frame(0x81, `{"a":1}`), frame(0x88, closePayload(1000, ""))
				if closing {
					p.send(tt.bad, good, end)
				} else {
					p.send(tt.bad)
				}
				if err := tt.read(c); !tt.want(err) || kind(err) != "open" {
					t.Errorf("got %T %v", err, err)
				}
				if !closing {
					p.send(good, end)
				}
				if err := c.ReadJSON(new(map[string]int)); err != nil {
					t.Errorf("the next message: %v", err)
				}
				if _, _, err := c.ReadMessage(); kind(err) != "peer closed 1000" {
					t.Errorf("the peer's Close: %v", err)
				}
				if ev := s.event(t); kind(ev) != "peer closed 1000" || ev.End().Err != nil {
					t.Errorf("event %v, want one without a cause", ev)
				}
			})
		}
	}
}

func readMessage(c *gorilla.Conn) error {
	_, _, err := c.ReadMessage()
	return err
}

func readJSON(c *gorilla.Conn) error { return c.ReadJSON(new(map[string]int)) }

// in reports whether there is a T in err's tree.
func in[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// The library says io.EOF, as at the end of a message, where a message ends
// too early that nobody reads.
func TestTheEndOfTCPInASkippedMessage(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	p.send(frame(0x81, "half of this is missing")[:10])
	if _, _, err := c.NextReader(); err != nil {
		t.Fatal(err)
	}
	p.fin()
	_, _, err := c.NextReader()
	expectEvent(t, err, "dropped")
	c.Close()
	expectEvent(t, s.event(t), "dropped")
}

// A reader that the program has kept doesn't read the next message.
func TestAStaleReaderReadsNothing(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	p.send(frame(0x81, "old"), frame(0x81, "new"))
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
	expectEvent(t, s.event(t), "dropped")
}

// A read deadline makes the library's connection unreadable; what the guard
// has is open, and the error is the library's own.
func TestAReadDeadlineEndsNothing(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	c.SetReadDeadline(time.Unix(1, 0))
	_, _, err := c.ReadMessage()
	var ne net.Error
	if kind(err) != "open" || !errors.As(err, &ne) || !ne.Timeout() || c.Event() != nil {
		t.Errorf("got %v, event %v; want the library's timeout and no event", err, c.Event())
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("still here")); err != nil {
		t.Error(err)
	}
	p.expect("still here")
	go func() { p.end() }()
	if err := c.CloseWith(t.Context(), closeguard.PolicyViolation, "too slow"); err != nil {
		t.Error(err)
	}
	if ev := s.event(t); kind(ev) != "local closed 1008" || ev.End().Err != nil {
		t.Errorf("event %v, want one without a cause", ev)
	}
}

// Translate is for errors of the library that came past the Conn.
func TestTranslate(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	foreign := errors.New("foreign")
	if err := c.Translate(foreign); err != foreign {
		t.Errorf("on an open connection: %v, want the error itself", err)
	}
	p.send(frame(0x88, closePayload(1001, "")))
	_, _, err := c.Conn.ReadMessage()
	expectEvent(t, c.Translate(err), "peer closed 1001")
	if err := c.Translate(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	expectEvent(t, s.event(t), "peer closed 1001")
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
	for _, e := range endings {
		if !slices.Contains(byPeer, e.name) {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			errs := make(chan error, 1)
			read := func(ws interface {
				ReadMessage() (int, []byte, error)
			}) {
				_, _, err := ws.ReadMessage()
				errs <- err
			}
			end := func(handler func(g *closeguard.Guard) http.Handler) (*server, error) {
				s := start(t, nil, closeguard.Options{}, handler)
				p := dial(t, s)
				e.end(t, nil, p, byte(websocket.TextMessage))
				defer p.Close()
				return s, within(t, "ReadMessage", errs)
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
			s.event(t)
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
