package twintest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// CloseWith does the whole handshake, whoever calls it and whoever reads.
func (a Adapter[C, L]) closeWith(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c C, closeWith func() error) error
	}{
		{"in the handler, nobody reads", func(_ C, closeWith func() error) error {
			return closeWith()
		}},
		{"in the handler, another goroutine reads", func(c C, closeWith func() error) error {
			read := make(chan error, 1)
			go func() { read <- a.read(c) }()
			if err := closeWith(); err != nil {
				return err
			}
			<-read
			return nil
		}},
		{"in another goroutine, nobody reads", func(c C, closeWith func() error) error {
			go closeWith()
			<-c.Done()
			return nil
		}},
		{"in another goroutine, the handler reads", func(c C, closeWith func() error) error {
			go closeWith()
			return a.read(c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan error, 1)
			s := a.Handle(t, closeguard.Options{}, func(r *http.Request, c C) error {
				return tt.serve(c, func() error {
					err := c.CloseWith(t.Context(), 4000, "bye")
					closed <- err
					return err
				})
			})
			if got := s.Dial(t).End(); got != `4000 "bye"` {
				t.Errorf("the peer saw %s", got)
			}
			if err := Within(t, "CloseWith", closed); err != nil {
				t.Errorf("CloseWith: %v, want nil", err)
			}
			if ev := s.Event(t); Kind(ev) != "local closed 4000" || !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

// Where the handshake isn't clean, CloseWith returns the event.
func (a Adapter[C, L]) closeWithReturnsTheEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first func(t *testing.T, c C, p *Peer)
		want  string // "": nil
		event string
		is    error
	}{
		{
			name: "nobody answers", want: "local closed 4000", is: closeguard.ErrCloseIdle,
			first: func(_ *testing.T, _ C, _ *Peer) {},
		},
		{
			name: "the peer ends TCP", want: "local closed 4000",
			first: func(_ *testing.T, _ C, p *Peer) {
				p.Silent()
				go func() {
					p.End()
					p.Close()
				}()
			},
		},
		{
			name: "the peer has closed", want: "", event: "peer closed 1001",
			first: func(t *testing.T, c C, p *Peer) {
				p.Send(Frame(0x88, ClosePayload(1001, "")))
				ExpectEvent(t, a.read(c), "peer closed 1001")
			},
		},
		{
			name: "TCP has ended", want: "dropped",
			first: func(t *testing.T, c C, p *Peer) {
				p.FIN()
				ExpectEvent(t, a.read(c), "dropped")
			},
		},
		{
			name: "aborted", want: "dropped", is: closeguard.ErrAborted,
			first: func(_ *testing.T, c C, _ *Peer) { c.Abort() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, p := a.Connect(t, closeguard.Options{CloseIdle: 50 * time.Millisecond})
			tt.first(t, c, p)
			closed := make(chan error, 1)
			go func() { closed <- c.CloseWith(context.Background(), 4000, "bye") }()
			err := Within(t, "CloseWith", closed)
			if tt.want == "" {
				if err != nil {
					t.Errorf("CloseWith: %v, want nil", err)
				}
				ExpectEvent(t, s.Event(t), tt.event)
				return
			}
			ExpectEvent(t, err, tt.want)
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
			ExpectEvent(t, s.Event(t), tt.want)
		})
	}
}

// The end of its context ends CloseWith and not the handshake.
func (a Adapter[C, L]) closeWithAndTheEndOfItsContext(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	why := errors.New("no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := c.CloseWith(ctx, 4000, "bye"); err != why {
		t.Errorf("CloseWith: %v, want %v", err, why)
	}
	if got := p.End(); got != `4000 "bye"` {
		t.Errorf("the peer saw %s", got)
	}
	if ev := s.Event(t); Kind(ev) != "local closed 4000" || !ev.Clean() {
		t.Errorf("event %v, want a clean close", ev)
	}
}

// A second CloseWith sends nothing and waits for the same end.
func (a Adapter[C, L]) aSecondCloseWithWaits(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	closed := make(chan error, 2)
	for range cap(closed) {
		go func() { closed <- c.CloseWith(t.Context(), 4000, "bye") }()
	}
	if got := p.End(); got != `4000 "bye"` {
		t.Errorf("the peer saw %s", got)
	}
	for range cap(closed) {
		if err := Within(t, "CloseWith", closed); err != nil {
			t.Errorf("CloseWith: %v, want nil", err)
		}
	}
	if err := c.CloseWith(t.Context(), 4001, "too late"); err != nil {
		t.Errorf("CloseWith after the end: %v, want nil", err)
	}
	ExpectEvent(t, s.Event(t), "local closed 4000")
}

// The code of a refusal arrives, though the peer is still sending and the
// program closes at once.
func (a Adapter[C, L]) closingAfterA1009DeliversIt(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	c.SetReadLimit(1000)
	sent := make(chan error, 1)
	go func() { sent <- p.WriteMessage(2, make([]byte, 8<<20)) }()
	ExpectEvent(t, a.read(c), "local closed 1009")
	a.Close(c)
	if err := Within(t, "the upload", sent); err != nil {
		t.Errorf("the upload: %v", err)
	}
	if got := p.End(); !strings.HasPrefix(got, "1009") {
		t.Errorf("the peer saw %s, want 1009", got)
	}
	if ev := s.Event(t); Kind(ev) != "local closed 1009" || !ev.Clean() {
		t.Errorf("event %v, want a clean close", ev)
	}
}

// In a handler the close that every example defers only wakes whoever reads;
// what is sent is the handler's choice.
func (a Adapter[C, L]) closeInAHandlerIsOnlyAMark(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c C) error
		want  string
	}{
		{"deferred", func(c C) error {
			defer a.Close(c)
			return closeguard.Error(4001, "chosen", nil)
		}, `4001 "chosen"`},
		{"before a CloseWith", func(c C) error {
			a.Close(c)
			return c.CloseWith(context.Background(), 4001, "chosen")
		}, `4001 "chosen"`},
		{"deferred in a panic", func(c C) error {
			defer a.Close(c)
			panic("no")
		}, `1011 "internal error"`},
		{"to wake the reader", func(c C) error {
			go a.Close(c)
			a.read(c)
			return nil
		}, "1000"},
		{"to wake the reader, whose error is returned", func(c C) error {
			go a.Close(c)
			return a.read(c)
		}, "1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.Handle(t, closeguard.Options{}, func(_ *http.Request, c C) error { return tt.serve(c) })
			if got := s.Dial(t).End(); got != tt.want {
				t.Errorf("the peer saw %s, want %s", got, tt.want)
			}
			if ev := s.Event(t); !ev.Clean() {
				t.Errorf("event %v, want a clean close", ev)
			}
		})
	}
}

// Abort acts at once, in a handler too. The event waits for the handler.
func (a Adapter[C, L]) abort(t *testing.T) {
	aborted, leave := make(chan error, 1), make(chan struct{})
	s := a.Handle(t, closeguard.Options{}, func(_ *http.Request, c C) error {
		c.Abort()
		<-c.Done()
		aborted <- a.read(c)
		<-leave
		return nil
	})
	if got := s.Dial(t).End(); got != "reset" {
		t.Errorf("the peer saw %s, want a reset", got)
	}
	err := Within(t, "Abort", aborted)
	ExpectEvent(t, err, "dropped")
	if !errors.Is(err, closeguard.ErrAborted) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v is not ErrAborted and net.ErrClosed", err)
	}
	if len(s.events.Closed()) != 0 {
		t.Error("there was an event before the handler had returned")
	}
	close(leave)
	ExpectEvent(t, s.Event(t), "dropped")
}
