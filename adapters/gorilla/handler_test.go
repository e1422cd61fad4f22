package gorilla_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

var errSecret = errors.New("secret")

// What a handler returns is what the peer is told: a code and a fixed text,
// never the error's.
func TestWhatAHandlerReturnsChoosesTheClose(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts closeguard.Options
		f    func(c *gorilla.Conn) error
		want string
		is   error // in the event's tree
	}{
		{name: "nil", want: "1000", f: func(*gorilla.Conn) error { return nil }},
		{name: "an Error", want: `4001 "why"`, is: errSecret, f: func(*gorilla.Conn) error {
			return closeguard.Error(4001, "why", errSecret)
		}},
		{name: "an Error, wrapped", want: `4001 "why"`, is: errSecret, f: func(*gorilla.Conn) error {
			return fmt.Errorf("wrapped: %w", closeguard.Error(4001, "why", errSecret))
		}},
		{name: "an illegal Error", want: `1001 "why"`, is: errSecret, f: func(*gorilla.Conn) error {
			return closeguard.Error(1006, "why", errSecret)
		}},
		{name: "a timeout", want: "1001", is: os.ErrDeadlineExceeded, f: func(*gorilla.Conn) error {
			return fmt.Errorf("wrapped: %w", os.ErrDeadlineExceeded)
		}},
		{name: "the library's timeout", want: "1001", f: func(c *gorilla.Conn) error {
			c.SetReadDeadline(time.Unix(1, 0))
			return readMessage(c)
		}},
		{name: "the end of CloseRead's context, whose cause is an Error", want: `1013 "later"`, is: errSecret, f: func(c *gorilla.Conn) error {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Millisecond, func() { cancel(closeguard.Error(1013, "later", errSecret)) })
			ctx = c.CloseRead(ctx)
			<-ctx.Done()
			return ctx.Err()
		}},
		{name: "a context's deadline", want: "1001", is: context.DeadlineExceeded, f: func(*gorilla.Conn) error {
			return fmt.Errorf("wrapped: %w", context.DeadlineExceeded)
		}},
		{name: "a context's end", want: "1001", is: context.Canceled, f: func(*gorilla.Conn) error { return context.Canceled }},
		{name: "a context's end, BareClose 4003", want: "4003", opts: closeguard.Options{BareClose: 4003}, f: func(*gorilla.Conn) error {
			return context.Canceled
		}},
		{name: "another error", want: `1011 "internal error"`, is: errSecret, f: func(*gorilla.Conn) error { return errSecret }},
		{name: "a panic", want: `1011 "internal error"`, is: errSecret, f: func(*gorilla.Conn) error { panic(errSecret) }},
		{name: "Goexit", want: `1011 "internal error"`, f: func(*gorilla.Conn) error {
			runtime.Goexit()
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := handle(t, tt.opts, func(_ *http.Request, c *gorilla.Conn) error { return tt.f(c) })
			if got := dial(t, s).end(); got != tt.want {
				t.Errorf("the peer saw %s, want %s", got, tt.want)
			}
			ev := s.event(t)
			if _, ok := ev.(*closeguard.LocalClosed); !ok || !ev.Clean() {
				t.Errorf("event %v, want a clean close of ours", ev)
			}
			if tt.is != nil && !errors.Is(ev, tt.is) {
				t.Errorf("%v is not %v", ev, tt.is)
			}
		})
	}
}

// A panic goes on to whoever is above the handler.
func TestAPanicGoesOn(t *testing.T) {
	above := make(chan any, 1)
	s := start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
		h := gorilla.Handler(g, &upgrader, func(*http.Request, *gorilla.Conn) error { panic(errSecret) })
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { above <- recover() }()
			h.ServeHTTP(w, r)
		})
	})
	dial(t, s).end()
	if v := within(t, "the panic", above); v != errSecret {
		t.Errorf("recovered %v, want %v", v, errSecret)
	}
	ev := s.event(t)
	var p *closeguard.PanicError
	if !errors.As(ev, &p) || p.Value != errSecret || len(p.Stack) == 0 {
		t.Errorf("the panic is %v, want the value and a stack", p)
	}
}

// After the end, what a handler returns is joined to the event's cause. The
// event itself says nothing new.
func TestWhatAHandlerReturnsAfterTheEnd(t *testing.T) {
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
			s := handle(t, closeguard.Options{}, func(_ *http.Request, c *gorilla.Conn) error {
				err := readMessage(c)
				<-c.Done()
				return tt.f(err)
			})
			p := dial(t, s)
			p.send(frame(0x88, closePayload(1001, "")))
			if got := p.end(); got != "1001" {
				t.Errorf("the peer saw %s, want 1001", got)
			}
			ev := s.event(t)
			if kind(ev) != "peer closed 1001" || !ev.Clean() {
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
func TestReturningTheEventEndsCleanly(t *testing.T) {
	s := handle(t, closeguard.Options{}, func(_ *http.Request, c *gorilla.Conn) error {
		return fmt.Errorf("reading: %w", readMessage(c))
	})
	p := dial(t, s)
	p.send(frame(0x88, closePayload(4000, "done")))
	if got := p.end(); got != "4000" {
		t.Errorf("the peer saw %s, want 4000", got)
	}
	if ev := s.event(t); kind(ev) != "peer closed 4000" || !ev.Clean() || ev.End().Err != nil {
		t.Errorf("event %v, want a clean close without a cause", ev)
	}
}
