package gorilla_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// reduced returns both ends of a connection that was opened without the guard.
func reduced(t *testing.T, memory *closetest.Listener) (*server, *gorilla.Conn, *peer) {
	t.Helper()
	conns := make(chan *gorilla.Conn, 1)
	s := start(t, memory, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			c, err := gorilla.Wrap(g, ws)
			if err != nil {
				t.Error(err)
				return
			}
			conns <- c
		})
	})
	p := dial(t, s)
	return s, within(t, "Wrap", conns), p
}

// In reduced mode each terminal error is the event that the library's error
// tells of. What the library hides is nil.
func TestReducedModeTellsWhatTheLibraryTells(t *testing.T) {
	frame1000 := closeguard.CloseFrame{Code: 1000, Reason: "mine"}
	frame1001 := closeguard.CloseFrame{Code: 1001, Reason: "theirs"}
	for _, tt := range []struct {
		name           string
		end            func(t *testing.T, c *gorilla.Conn, p *peer)
		want           string
		sent, received *closeguard.CloseFrame
		is             error
	}{
		{
			name: "the peer closes", want: "peer closed 1001", received: &frame1001, // the answer is hidden
			end: func(_ *testing.T, _ *gorilla.Conn, p *peer) { p.send(frame(0x88, closePayload(1001, "theirs"))) },
		},
		{
			name: "we close", want: "local closed 1000", sent: &frame1000, received: &closeguard.CloseFrame{Code: 1000},
			end: func(t *testing.T, c *gorilla.Conn, p *peer) {
				go c.CloseWith(t.Context(), 1000, "mine")
				p.end()
			},
		},
		{
			name: "we close with the library's method", want: "local closed 1000", sent: &frame1000, received: &closeguard.CloseFrame{Code: 1000},
			end: func(t *testing.T, c *gorilla.Conn, p *peer) {
				if err := c.WriteControl(websocket.CloseMessage, []byte(closePayload(1000, "mine")), time.Time{}); err != nil {
					t.Error(err)
				}
				p.end()
			},
		},
		{
			name: "the end of TCP", want: "dropped",
			end: func(_ *testing.T, _ *gorilla.Conn, p *peer) { p.fin() },
		},
		{
			name: "a reset", want: "dropped", is: syscall.ECONNRESET,
			end: func(_ *testing.T, _ *gorilla.Conn, p *peer) { p.reset() },
		},
		{
			name: "a message over the limit", want: "dropped", is: websocket.ErrReadLimit, // the 1009 is hidden
			end: func(_ *testing.T, _ *gorilla.Conn, p *peer) { p.send(frame(0x82, strings.Repeat("x", 2000))) },
		},
		{
			name: "Close", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c *gorilla.Conn, _ *peer) { c.Close() },
		},
		{
			name: "Abort", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c *gorilla.Conn, _ *peer) { c.Abort() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, p := reduced(t, nil)
			if c.Guarded() {
				t.Error("guarded")
			}
			c.SetReadLimit(1000)
			read := make(chan error, 1)
			go func() { read <- readMessage(c) }()
			tt.end(t, c, p)
			expectEvent(t, within(t, "ReadMessage", read), tt.want)
			c.Close()
			if err := readMessage(c); kind(err) != tt.want || !errors.Is(err, net.ErrClosed) {
				t.Errorf("begun after the end: %v, want the event and net.ErrClosed", err)
			}
			ev := s.event(t)
			expectEvent(t, ev, tt.want)
			if ev.Connection().Guarded {
				t.Error("the event says that the connection was guarded")
			}
			if end := ev.End(); !same(end.Sent, tt.sent) || !same(end.Received, tt.received) {
				t.Errorf("sent %v, received %v; want %v and %v", end.Sent, end.Received, tt.sent, tt.received)
			}
			if tt.is != nil && !errors.Is(ev, tt.is) {
				t.Errorf("%v is not %v", ev, tt.is)
			}
		})
	}
}

func same(a, b *closeguard.CloseFrame) bool { return a == b || a != nil && b != nil && *a == *b }

// What goes out is validated in reduced mode too.
func TestReducedModeRefusesAnIllegalClose(t *testing.T) {
	s, c, p := reduced(t, nil)
	var fe *closeguard.FrameError
	if err := c.CloseWith(t.Context(), 1006, ""); !errors.As(err, &fe) {
		t.Errorf("CloseWith: %v, want a *FrameError", err)
	}
	if err := c.WriteControl(websocket.CloseMessage, []byte(closePayload(1006, "")), time.Time{}); !errors.As(err, &fe) {
		t.Errorf("WriteControl: %v, want a *FrameError", err)
	}
	expectEcho(t, c, p)
	c.Close()
	expectEvent(t, s.event(t), "dropped")
}

// A call that fails by itself is not the end.
func TestReducedModeAndErrorsOfOneCall(t *testing.T) {
	s, c, p := reduced(t, nil)
	if err := c.WriteControl(websocket.PingMessage, make([]byte, 126), time.Time{}); err == nil || kind(err) != "open" {
		t.Errorf("a ping that is too long: %v", err)
	}
	if err := c.WriteJSON(func() {}); err == nil || kind(err) != "open" {
		t.Errorf("a value that has no JSON: %v", err)
	}
	p.expect("") // the library sends the message that it has begun
	p.send(frame(0x81, "{"))
	if err := c.ReadJSON(new(any)); err != io.ErrUnexpectedEOF {
		t.Errorf("half of a JSON value: %v", err)
	}
	expectEcho(t, c, p)
	p.send(frame(0x88, closePayload(1001, "")))
	expectEvent(t, readMessage(c), "peer closed 1001")
	if ev := s.event(t); kind(ev) != "peer closed 1001" {
		t.Errorf("event %v", ev)
	}
}

// Without the guard nobody reads on: CloseWith waits for the application to
// read the answer, for 5 s at most.
func TestReducedModeCloseWith(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reads bool
		want  string // "": nil
		takes time.Duration
	}{
		{"somebody reads", true, "", 0},
		{"nobody reads", false, "local closed 4000", 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, p := reduced(t, closetest.Listen())
				go p.end()
				if tt.reads {
					go readMessage(c)
				}
				began := time.Now()
				err := c.CloseWith(t.Context(), 4000, "bye")
				if (err == nil) != (tt.want == "") || err != nil && kind(err) != tt.want {
					t.Errorf("CloseWith: %v, want the event %q", err, tt.want)
				}
				if took := time.Since(began); took != tt.takes {
					t.Errorf("CloseWith took %v, want %v", took, tt.takes)
				}
				expectEvent(t, s.event(t), "local closed 4000")
				c.Close()
			})
		})
	}
}

// CloseRead closes for a message that nobody expects, and reads for the answer.
func TestReducedModeCloseRead(t *testing.T) {
	s, c, p := reduced(t, nil)
	ctx := c.CloseRead(t.Context())
	p.send(frame(0x81, "hello"))
	if got := p.end(); got != `1008 "unexpected data message"` {
		t.Errorf("the peer saw %s", got)
	}
	within(t, "the context", ctx.Done())
	expectEvent(t, context.Cause(ctx), "local closed 1008")
	expectEvent(t, s.event(t), "local closed 1008")
}

// A Close of ours that can't leave, because the peer doesn't read, doesn't keep the
// peer's from the reader: the library gives its own answer a second, too.
func TestReducedModeReadsTheCloseOfAPeerThatDoesNotRead(t *testing.T) {
	s, c, p := reduced(t, nil)
	c.EnableWriteCompression(false)
	go c.WriteMessage(websocket.BinaryMessage, make([]byte, 64<<20))
	time.Sleep(50 * time.Millisecond)
	go c.WriteControl(websocket.CloseMessage, []byte(closePayload(1000, "")), time.Time{})
	time.Sleep(50 * time.Millisecond)
	p.send(frame(0x88, closePayload(1001, "")))
	read := make(chan error, 1)
	go func() {
		_, _, err := c.ReadMessage()
		read <- err
	}()
	select {
	case err := <-read:
		if closeguard.CodeOf(err) != closeguard.GoingAway {
			t.Errorf("ReadMessage: %v, want 1001", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("ReadMessage still waits for our Close")
	}
	c.Close()
	s.event(t)
}
