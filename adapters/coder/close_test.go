package coder_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// CloseWith does the whole handshake, whoever calls it and whoever reads.
func TestCloseWith(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *coder.Conn, closeWith func() error) error
	}{
		{"in the handler, nobody reads", func(_ *coder.Conn, closeWith func() error) error {
			return closeWith()
		}},
		{"in the handler, another goroutine reads", func(c *coder.Conn, closeWith func() error) error {
			read := make(chan error, 1)
			go func() { read <- readMessage(c) }()
			if err := closeWith(); err != nil {
				return err
			}
			<-read
			return nil
		}},
		{"in another goroutine, nobody reads", func(c *coder.Conn, closeWith func() error) error {
			go closeWith()
			<-c.Done()
			return nil
		}},
		{"in another goroutine, the handler reads", func(c *coder.Conn, closeWith func() error) error {
			go closeWith()
			return readMessage(c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan error, 1)
			s := handle(t, closeguard.Options{}, func(r *http.Request, c *coder.Conn) error {
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
		first func(t *testing.T, c *coder.Conn, p *peer)
		want  string // "": nil
		event string
		is    error
	}{
		{
			name: "nobody answers", want: "local closed 4000", is: closeguard.ErrCloseIdle,
			first: func(_ *testing.T, _ *coder.Conn, _ *peer) {},
		},
		{
			name: "the peer ends TCP", want: "local closed 4000",
			first: func(_ *testing.T, _ *coder.Conn, p *peer) {
				p.silent()
				go func() {
					p.end()
					p.Close()
				}()
			},
		},
		{
			name: "the peer has closed", want: "", event: "peer closed 1001",
			first: func(t *testing.T, c *coder.Conn, p *peer) {
				p.send(frame(0x88, closePayload(1001, "")))
				expectEvent(t, readMessage(c), "peer closed 1001")
			},
		},
		{
			name: "TCP has ended", want: "dropped",
			first: func(t *testing.T, c *coder.Conn, p *peer) {
				p.fin()
				expectEvent(t, readMessage(c), "dropped")
			},
		},
		{
			name: "aborted", want: "dropped", is: closeguard.ErrAborted,
			first: func(_ *testing.T, c *coder.Conn, _ *peer) { c.Abort() },
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
	go func() { sent <- p.WriteMessage(gorilla.BinaryMessage, make([]byte, 8<<20)) }()
	expectEvent(t, readMessage(c), "local closed 1009")
	c.CloseNow()
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

// In a handler the CloseNow that every example defers only wakes whoever reads;
// what is sent is the handler's choice.
func TestCloseNowInAHandlerIsOnlyAMark(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *coder.Conn) error
		want  string
	}{
		{"deferred", func(c *coder.Conn) error {
			defer c.CloseNow()
			return closeguard.Error(4001, "chosen", nil)
		}, `4001 "chosen"`},
		{"before a CloseWith", func(c *coder.Conn) error {
			c.CloseNow()
			return c.CloseWith(context.Background(), 4001, "chosen")
		}, `4001 "chosen"`},
		{"deferred in a panic", func(c *coder.Conn) error {
			defer c.CloseNow()
			panic("no")
		}, `1011 "internal error"`},
		{"to wake the reader", func(c *coder.Conn) error {
			go c.CloseNow()
			readMessage(c)
			return nil
		}, "1000"},
		{"to wake the reader, whose error is returned", func(c *coder.Conn) error {
			go c.CloseNow()
			return readMessage(c)
		}, "1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := handle(t, closeguard.Options{}, func(_ *http.Request, c *coder.Conn) error { return tt.serve(c) })
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
	s := handle(t, closeguard.Options{}, func(_ *http.Request, c *coder.Conn) error {
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

// A Close that the program calls right after a context ended its call leaves, although
// the library has closed the connection for it; and so does the Close that the
// context's cause chooses.
func TestClosingAfterAContextHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *coder.Conn)
		want  string
		event string
	}{
		{"Close", nil, func(c *coder.Conn) { c.Close(websocket.StatusTryAgainLater, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseWith", nil, func(c *coder.Conn) { c.CloseWith(context.Background(), 1013, "later") }, `1013 "later"`, "local closed 1013"},
		{"CloseNow", nil, func(c *coder.Conn) { c.CloseNow() }, "EOF", "dropped"},
		{"nothing", closeguard.Error(1013, "later", nil), func(*coder.Conn) {}, `1013 "later"`, "local closed 1013"},
	} {
		for _, call := range []struct {
			name string
			call func(ctx context.Context, c *coder.Conn) error
		}{
			{"Read", func(ctx context.Context, c *coder.Conn) error {
				_, _, err := c.Read(ctx)
				return err
			}},
			{"CloseRead", func(ctx context.Context, c *coder.Conn) error {
				ctx = c.CloseRead(ctx)
				<-ctx.Done()
				return ctx.Err()
			}},
		} {
			t.Run(tt.name+" after "+call.name, func(t *testing.T) {
				for range 10 {
					s, c, p := connect(t, closeguard.Options{})
					ctx, cancel := context.WithCancelCause(t.Context())
					closed := make(chan struct{})
					go func() {
						defer close(closed)
						if err := call.call(ctx, c); tt.cause == nil && (!errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
							t.Errorf("the call: %v, want %v", err, context.Canceled)
						}
						tt.then(c)
					}()
					p.send(frame(0x89, "")) // that the pong comes back shows that somebody reads
					p.SetPongHandler(func(string) error { cancel(tt.cause); return nil })
					if got := p.end(); got != tt.want {
						t.Errorf("the peer saw %s, want %s", got, tt.want)
					}
					within(t, "closing", closed)
					expectEvent(t, s.event(t), tt.event)
				}
			})
		}
	}
}
