package coder_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

// reduced returns both ends of a connection that was opened without the guard.
func reduced(t *testing.T, memory *closetest.Listener) (*server, *coder.Conn, *peer) {
	t.Helper()
	conns := make(chan *coder.Conn, 1)
	s := start(t, memory, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &options)
			if err != nil {
				t.Error(err)
				return
			}
			c, err := coder.Wrap(g, r, ws)
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
		end            func(t *testing.T, c *coder.Conn, p *peer)
		want           string
		sent, received *closeguard.CloseFrame
		is             error
	}{
		{
			name: "the peer closes", want: "peer closed 1001", received: &frame1001, // the answer is hidden
			end: func(_ *testing.T, _ *coder.Conn, p *peer) { p.send(frame(0x88, closePayload(1001, "theirs"))) },
		},
		{
			name: "we close", want: "local closed 1000", sent: &frame1000, // the answer is hidden
			end: func(t *testing.T, c *coder.Conn, p *peer) {
				go c.CloseWith(t.Context(), 1000, "mine")
				p.end()
			},
		},
		{
			name: "we close with the library's method", want: "local closed 1000", sent: &frame1000,
			end: func(t *testing.T, c *coder.Conn, p *peer) {
				go c.Close(1000, "mine")
				p.end()
			},
		},
		{
			name: "the end of TCP", want: "dropped",
			end: func(_ *testing.T, _ *coder.Conn, p *peer) { p.fin() },
		},
		{
			name: "a reset", want: "dropped", is: syscall.ECONNRESET,
			end: func(_ *testing.T, _ *coder.Conn, p *peer) { p.reset() },
		},
		{
			name: "a message over the limit", want: "dropped", is: errTooBig, // the 1009 is hidden
			end: func(_ *testing.T, _ *coder.Conn, p *peer) { p.send(frame(0x82, strings.Repeat("x", 2000))) },
		},
		{
			name: "CloseNow", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c *coder.Conn, _ *peer) { c.CloseNow() },
		},
		{
			name: "Abort", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c *coder.Conn, _ *peer) { c.Abort() },
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
			c.CloseNow()
			if err := readMessage(c); kind(err) != tt.want || !errors.Is(err, net.ErrClosed) {
				t.Errorf("begun after the end: %v, want the event and net.ErrClosed", err)
			}
			ev := s.event(t)
			expectEvent(t, ev, tt.want)
			if ev.Connection().Guarded {
				t.Error("the event says that the connection was guarded")
			}
			if end := ev.End(); !same(end.Sent, tt.sent) || tt.received != nil && !same(end.Received, tt.received) {
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
	if err := c.Close(1006, ""); !errors.As(err, &fe) {
		t.Errorf("Close: %v, want a *FrameError", err)
	}
	expectEcho(t, c, p)
	c.CloseNow()
	expectEvent(t, s.event(t), "dropped")
}

// A call that fails by itself is not the end.
func TestReducedModeAndErrorsOfOneCall(t *testing.T) {
	s, c, p := reduced(t, nil)
	if err := wsjson.Write(t.Context(), c, func() {}); err == nil || kind(err) != "open" {
		t.Errorf("a value that has no JSON: %v", err)
	}
	w, err := c.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := w.Close(); err == nil || kind(err) != "open" {
		t.Errorf("a writer that is closed: %v", err)
	}
	p.expect("")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx); err == nil || kind(err) != "open" {
		t.Errorf("a pong that doesn't come: %v", err)
	}
	expectEcho(t, c, p)
	p.send(frame(0x88, closePayload(1001, "")))
	expectEvent(t, readMessage(c), "peer closed 1001")
	if ev := s.event(t); kind(ev) != "peer closed 1001" {
		t.Errorf("event %v", ev)
	}
}
