package gorilla_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// CloseWith does the whole handshake, whoever calls it and whoever reads.
func TestCloseWith(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *gorilla.Conn, closeWith func() error) error
	}{
		{"in the handler, nobody reads", func(_ *gorilla.Conn, closeWith func() error) error {
			return closeWith()
		}},
		{"in the handler, another goroutine reads", func(c *gorilla.Conn, closeWith func() error) error {
			read := make(chan error, 1)
			go func() { read <- readMessage(c) }()
			if err := closeWith(); err != nil {
				return err
			}
			<-read
			return nil
		}},
		{"in another goroutine, nobody reads", func(c *gorilla.Conn, closeWith func() error) error {
			go closeWith()
			<-c.Done()
			return nil
		}},
		{"in another goroutine, the handler reads", func(c *gorilla.Conn, closeWith func() error) error {
			go closeWith()
			return readMessage(c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan error, 1)
			s := handle(t, closeguard.Options{}, func(r *http.Request, c *gorilla.Conn) error {
				return tt.serve(c, func() error {
					err := c.CloseWith(t.Context(), 4000, "bye")
					closed <- err
					return err
				})
			})
			if got := dial(t, s).end(); got != `4000 "bye"` {
				t.Errorf("the peer saw %s", got)
			}
			if err := within(t, "CloseWith", closed); err != nil {
				t.Errorf("CloseWith: %v, want nil", err)
			}
			if ev := s.event(t); kind(ev) != "local closed 4000" || !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

// Where the handshake isn't clean, CloseWith returns the event.
func TestCloseWithReturnsTheEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first func(t *testing.T, c *gorilla.Conn, p *peer)
		want  string // "": nil
		event string
		is    error
	}{
		{
			name: "nobody answers", want: "local closed 4000", is: closeguard.ErrCloseIdle,
			first: func(_ *testing.T, _ *gorilla.Conn, _ *peer) {},
		},
		{
			name: "the peer ends TCP", want: "local closed 4000",
			first: func(_ *testing.T, _ *gorilla.Conn, p *peer) {
				p.silent()
				go func() {
					p.end()
					p.Close()
				}()
			},
		},
		{
			name: "the peer has closed", want: "", event: "peer closed 1001",
			first: func(t *testing.T, c *gorilla.Conn, p *peer) {
				p.send(frame(0x88, closePayload(1001, "")))
				expectEvent(t, readMessage(c), "peer closed 1001")
			},
		},
		{
			name: "TCP has ended", want: "dropped",
			first: func(t *testing.T, c *gorilla.Conn, p *peer) {
				p.fin()
				expectEvent(t, readMessage(c), "dropped")
			},
		},
		{
			name: "aborted", want: "dropped", is: closeguard.ErrAborted,
			first: func(_ *testing.T, c *gorilla.Conn, _ *peer) { c.Abort() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, p := connect(t, closeguard.Options{CloseIdle: 50 * time.Millisecond})
			tt.first(t, c, p)
			closed := make(chan error, 1)
			go func() { closed <- c.CloseWith(context.Background(), 4000, "bye") }()
			err := within(t, "CloseWith", closed)
			if tt.want == "" {
				if err != nil {
					t.Errorf("CloseWith: %v, want nil", err)
				}
				expectEvent(t, s.event(t), tt.event)
				return
			}
			expectEvent(t, err, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			expectEvent(t, s.event(t), tt.want)
		})
	}
}

// The end of its context ends CloseWith and not the handshake.
func TestCloseWithAndTheEndOfItsContext(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	why := errors.New("no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := c.CloseWith(ctx, 4000, "bye"); err != why {
		t.Errorf("CloseWith: %v, want %v", err, why)
	}
	if got := p.end(); got != `4000 "bye"` {
		t.Errorf("the peer saw %s", got)
	}
	if ev := s.event(t); kind(ev) != "local closed 4000" || !ev.Clean() {
		t.Errorf("event %v, want a clean close", ev)
	}
}

// A second CloseWith sends nothing and waits for the same end.
func TestASecondCloseWithWaits(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	closed := make(chan error, 2)
	for range cap(closed) {
		go func() { closed <- c.CloseWith(t.Context(), 4000, "bye") }()
	}
	if got := p.end(); got != `4000 "bye"` {
		t.Errorf("the peer saw %s", got)
	}
	for range cap(closed) {
		if err := within(t, "CloseWith", closed); err != nil {
			t.Errorf("CloseWith: %v, want nil", err)
		}
	}
	if err := c.CloseWith(t.Context(), 4001, "too late"); err != nil {
		t.Errorf("CloseWith after the end: %v, want nil", err)
	}
	expectEvent(t, s.event(t), "local closed 4000")
}

// The code of a refusal arrives, though the peer is still sending and the
// program closes at once.
func TestClosingAfterA1009DeliversIt(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	c.SetReadLimit(1000)
	sent := make(chan error, 1)
	go func() { sent <- p.WriteMessage(websocket.BinaryMessage, make([]byte, 8<<20)) }()
	expectEvent(t, readMessage(c), "local closed 1009")
	c.Close()
	if err := within(t, "the upload", sent); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if got := p.end(); !strings.HasPrefix(got, "1009") {
		t.Errorf("the peer saw %s, want 1009", got)
	}
	if ev := s.event(t); kind(ev) != "local closed 1009" || !ev.Clean() {
		t.Errorf("event %v, want a clean close", ev)
	}
}

// In a handler the close that every example defers only wakes whoever reads;
// what is sent is the handler's choice.
func TestCloseInAHandlerIsOnlyAMark(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *gorilla.Conn) error
		want  string
	}{
		{"deferred", func(c *gorilla.Conn) error {
			defer c.Close()
			return closeguard.Error(4001, "chosen", nil)
		}, `4001 "chosen"`},
		{"before a CloseWith", func(c *gorilla.Conn) error {
			c.Close()
			return c.CloseWith(context.Background(), 4001, "chosen")
		}, `4001 "chosen"`},
		{"deferred in a panic", func(c *gorilla.Conn) error {
			defer c.Close()
			panic("no")
		}, `1011 "internal error"`},
		{"to wake the reader", func(c *gorilla.Conn) error {
			go c.Close()
			readMessage(c)
			return nil
		}, "1000"},
		{"to wake the reader, whose error is returned", func(c *gorilla.Conn) error {
			go c.Close()
			return readMessage(c)
		}, "1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := handle(t, closeguard.Options{}, func(_ *http.Request, c *gorilla.Conn) error { return tt.serve(c) })
			if got := dial(t, s).end(); got != tt.want {
				t.Errorf("the peer saw %s, want %s", got, tt.want)
			}
			if ev := s.event(t); !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

// Abort acts at once, in a handler too. The event waits for the handler.
func TestAbort(t *testing.T) {
	aborted, leave := make(chan error, 1), make(chan struct{})
	s := handle(t, closeguard.Options{}, func(_ *http.Request, c *gorilla.Conn) error {
		c.Abort()
		<-c.Done()
		aborted <- readMessage(c)
		<-leave
		return nil
	})
	if got := dial(t, s).end(); got != "reset" {
		t.Errorf("the peer saw %s, want a reset", got)
	}
	err := within(t, "Abort", aborted)
	expectEvent(t, err, "dropped")
	if !errors.Is(err, closeguard.ErrAborted) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v is not ErrAborted and net.ErrClosed", err)
	}
	if len(s.events) != 0 {
		t.Error("there was an event before the handler had returned")
	}
	close(leave)
	expectEvent(t, s.event(t), "dropped")
}

// A Close that the program calls right after a context ended CloseRead leaves; and so
// does the Close that the context's cause chooses.
func TestClosingAfterAContextHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *gorilla.Conn)
		want  string
		event string
	}{
		{"a Close message", nil, func(c *gorilla.Conn) {
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1013, "later"), time.Now().Add(time.Second))
		}, `1013 "later"`, "local closed 1013"},
		{"CloseWith", nil, func(c *gorilla.Conn) { c.CloseWith(context.Background(), 1013, "later") }, `1013 "later"`, "local closed 1013"},
		{"nothing", nil, func(*gorilla.Conn) {}, "EOF", "dropped"},
		{"nothing, and the cause is an Error", closeguard.Error(1013, "later", nil), func(*gorilla.Conn) {}, `1013 "later"`, "local closed 1013"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, c, p := connect(t, closeguard.Options{})
			parent, cancel := context.WithCancelCause(t.Context())
			ctx := c.CloseRead(parent)
			p.send(frame(0x89, "")) // that the pong comes back shows that somebody reads
			p.SetPongHandler(func(string) error {
				cancel(tt.cause)
				return nil
			})
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				<-ctx.Done()
				tt.then(c)
			}()
			if got := p.end(); got != tt.want {
				t.Errorf("the peer saw %s, want %s", got, tt.want)
			}
			within(t, "closing", closed)
			expectEvent(t, s.event(t), tt.event)
		})
	}
}
