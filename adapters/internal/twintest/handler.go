package twintest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// errSecret is what a peer must not be told.
var errSecret = errors.New("secret")

// A Return is what a handler returns, and what comes of it.
type Return[C Conn] struct {
	Name string
	Opts closeguard.Options
	F    func(c C) error
	Want string // what the peer sees
	Is   error  // in the event's tree
}

// What a handler returns is what the peer is told: a code and a fixed text,
// never the error's.
func (a Adapter[C, L]) whatAHandlerReturnsChoosesTheClose(t *testing.T) {
	for _, tt := range append([]Return[C]{
		{Name: "nil", Want: "1000", F: func(C) error { return nil }},
		{Name: "an Error", Want: `4001 "why"`, Is: errSecret, F: func(C) error {
			return closeguard.Error(4001, "why", errSecret)
		}},
		{Name: "an Error, wrapped", Want: `4001 "why"`, Is: errSecret, F: func(C) error {
			return fmt.Errorf("wrapped: %w", closeguard.Error(4001, "why", errSecret))
		}},
		{Name: "an illegal Error", Want: `1001 "why"`, Is: errSecret, F: func(C) error {
			return closeguard.Error(1006, "why", errSecret)
		}},
		{Name: "a timeout", Want: "1001", Is: os.ErrDeadlineExceeded, F: func(C) error {
			return fmt.Errorf("wrapped: %w", os.ErrDeadlineExceeded)
		}},
		{Name: "the end of CloseRead's context, whose cause is an Error", Want: `1013 "later"`, Is: errSecret, F: func(c C) error {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Millisecond, func() { cancel(closeguard.Error(1013, "later", errSecret)) })
			ctx = c.CloseRead(ctx)
			<-ctx.Done()
			return ctx.Err()
		}},
		{Name: "a context's deadline", Want: "1001", Is: context.DeadlineExceeded, F: func(C) error {
			return fmt.Errorf("wrapped: %w", context.DeadlineExceeded)
		}},
		{Name: "a context's end", Want: "1001", Is: context.Canceled, F: func(C) error { return context.Canceled }},
		{Name: "a context's end, BareClose 4003", Want: "4003", Opts: closeguard.Options{BareClose: 4003}, F: func(C) error {
			return context.Canceled
		}},
		{Name: "another error", Want: `1011 "internal error"`, Is: errSecret, F: func(C) error { return errSecret }},
		{Name: "a panic", Want: `1011 "internal error"`, Is: errSecret, F: func(C) error { panic(errSecret) }},
		{Name: "Goexit", Want: `1011 "internal error"`, F: func(C) error {
			runtime.Goexit()
			return nil
		}},
	}, a.OwnReturns...) {
		t.Run(tt.Name, func(t *testing.T) {
			s := a.Handle(t, tt.Opts, func(_ *http.Request, c C) error { return tt.F(c) })
			if got := s.Dial(t).End(); got != tt.Want {
				t.Errorf("the peer saw %s, want %s", got, tt.Want)
			}
			ev := s.Event(t)
			if _, ok := ev.(*closeguard.LocalClosed); !ok || !ev.Clean() {
				t.Errorf("event %v, want a clean close of ours", ev)
			}
			if tt.Is != nil && !errors.Is(ev, tt.Is) {
				t.Errorf("%v is not %v", ev, tt.Is)
			}
		})
	}
}

// A panic goes on to whoever is above the handler.
func (a Adapter[C, L]) aPanicGoesOn(t *testing.T) {
	above := make(chan any, 1)
	s := Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		h := a.Handler(g, func(*http.Request, C) error { panic(errSecret) })
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { above <- recover() }()
			h.ServeHTTP(w, r)
		})
	})
	s.Dial(t).End()
	if v := Within(t, "the panic", above); v != errSecret {
		t.Errorf("recovered %v, want %v", v, errSecret)
	}
	ev := s.Event(t)
	var p *closeguard.PanicError
	if !errors.As(ev, &p) || p.Value != errSecret || len(p.Stack) == 0 {
		t.Errorf("the panic is %v, want the value and a stack", p)
	}
}

// After the end, what a handler returns is joined to the event's cause. The
// event itself says nothing new.
func (a Adapter[C, L]) whatAHandlerReturnsAfterTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name   string
		f      func(ev error) error
		joined bool
	}{
		{"nothing", func(error) error { return nil }, false},
		{"the event", func(ev error) error { return ev }, false},
		{"the event, wrapped", func(ev error) error { return fmt.Errorf("reading: %w", ev) }, false},
		{"another error", func(error) error { return errSecret }, true},
		{"the event and another error", func(ev error) error { return errors.Join(ev, errSecret) }, true},
		{"an Error with both", func(ev error) error { return closeguard.Error(4001, "", errors.Join(errSecret, ev)) }, true},
		{"a panic", func(error) error { panic(errSecret) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := a.Handle(t, closeguard.Options{}, func(_ *http.Request, c C) error {
				err := a.read(c)
				<-c.Done()
				return tt.f(err)
			})
			p := s.Dial(t)
			p.Send(Frame(0x88, ClosePayload(1001, "")))
			if got := p.End(); got != "1001" {
				t.Errorf("the peer saw %s, want 1001", got)
			}
			ev := s.Event(t)
			if Kind(ev) != "peer closed 1001" || !ev.Clean() {
				t.Errorf("event %v, want the peer's clean close", ev)
			}
			if got := errors.Is(ev, errSecret); got != tt.joined {
				t.Errorf("the event %v has the handler's error: %t, want %t", ev, got, tt.joined)
			}
			if !tt.joined && ev.End().Err != nil {
				t.Errorf("the cause is %v, want none", ev.End().Err)
			}
		})
	}
}

// A handler that returns the event while the handshake is still under way
// lets it end cleanly.
func (a Adapter[C, L]) returningTheEventEndsCleanly(t *testing.T) {
	s := a.Handle(t, closeguard.Options{}, func(_ *http.Request, c C) error {
		return fmt.Errorf("reading: %w", a.read(c))
	})
	p := s.Dial(t)
	p.Send(Frame(0x88, ClosePayload(4000, "done")))
	want := "4000"
	if a.EchoesReason {
		want = `4000 "done"`
	}
	if got := p.End(); got != want {
		t.Errorf("the peer saw %s, want %s", got, want)
	}
	if ev := s.Event(t); Kind(ev) != "peer closed 4000" || !ev.Clean() || ev.End().Err != nil {
		t.Errorf("event %v, want a clean close without a cause", ev)
	}
}
