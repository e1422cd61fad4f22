package closeguard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// When a context has ended in a call and the library closes for it, the program is
// given a second to say how: what it says next is what the peer gets, and if it says
// nothing TCP ends without a word. A context's cause that is an Error has said it.
func TestAContextEndsAndTheProgramCloses(t *testing.T) {
	busy := closeguard.Error(1013, "busy", errHandler)
	for _, tt := range []struct {
		name  string
		cause error
		then  func(c *guarded)
		wire  string
		after time.Duration // the end of TCP
		ended string
		is    []error
		not   error
	}{
		{name: "it says nothing", then: func(*guarded) {}, wire: "EOF", after: time.Second, ended: "dropped 1006"},
		{name: "CloseWith", then: func(c *guarded) { go c.CloseWith(context.Background(), 1013, "") }, wire: "close 1013 | EOF",
			ended: "local closed 1013, sent 1013, received 1013, clean"},
		{name: "CloseWith a little later", then: func(c *guarded) {
			time.Sleep(999 * time.Millisecond)
			go c.CloseWith(context.Background(), 1013, "")
		}, wire: "close 1013 | EOF", after: 999 * time.Millisecond, ended: "local closed 1013, sent 1013, received 1013, clean"},
		{name: "a Close of the library's", then: func(c *guarded) { c.write(closeWith(1013, "")) }, wire: "close 1013 | EOF",
			ended: "local closed 1013, sent 1013, received 1013, clean"},
		{name: "CloseNow", then: func(c *guarded) { c.Driver().CloseNow() }, wire: "EOF", ended: "dropped 1006", not: closeguard.ErrAborted},
		{name: "Close and then CloseNow", then: func(c *guarded) {
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a second Close: %v", err)
			}
			c.Driver().CloseNow()
		}, wire: "EOF", ended: "dropped 1006", not: closeguard.ErrAborted},
		{name: "Abort", then: func(c *guarded) { c.Abort() }, wire: "reset", ended: "dropped 1006", is: []error{closeguard.ErrAborted}},
		{name: "Shutdown", then: func(c *guarded) { c.guard.StartDrain() }, wire: "close 1001 server shutting down | EOF",
			ended: "local closed 1001, sent 1001 server shutting down, received 1001, clean", is: []error{closeguard.ErrShutdown}},
		{name: "the cause is an Error", cause: busy, then: func(*guarded) {}, wire: "close 1013 busy | EOF",
			ended: "local closed 1013, sent 1013 busy, received 1013, clean", is: []error{busy, errHandler}},
		{name: "the cause is an Error, and CloseWith another", cause: busy, then: func(c *guarded) { go c.CloseWith(context.Background(), 4000, "") },
			wire: "close 1013 busy | EOF", ended: "local closed 1013, sent 1013 busy, received 1013, clean", is: []error{busy, errHandler}},
		{name: "the cause is another error", cause: errHandler, then: func(*guarded) {}, wire: "EOF", after: time.Second, ended: "dropped 1006",
			is: []error{errHandler}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				ctx, cancel := context.WithCancelCause(context.Background())
				context.AfterFunc(ctx, func() { c.Close() }) // as coder/websocket does
				call := c.Driver().Begin(ctx)
				go func() {
					time.Sleep(time.Millisecond)
					cancel(tt.cause)
				}()
				if err := c.readAll(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the library's Read: %v", err)
				}
				c.began = time.Now()
				for _, said := range []error{net.ErrClosed, ctx.Err()} { // which of the two the library says depends on timing
					err := call.End(said, true)
					if c.Event() == nil && (!errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed)) {
						t.Errorf("the call ends with %v, want the context's end", err)
					}
					call = c.Driver().Begin(ctx)
				}
				tt.then(c)
				r := frameReader{r: c.peer, from: c.role}
				var got string
				for r.err == nil {
					next := r.next()
					if got += next; r.err == nil {
						got += " | "
						synctest.Wait() // until the Write has returned
						c.send(closeWith(uint16(c.Event().Code()), ""))
					}
				}
				if got != tt.wire {
					t.Errorf("the peer sees %s, want %s", got, tt.wire)
				}
				c.after(tt.after)
				c.peer.Close()
				ev := c.ends(tt.ended)
				for _, err := range tt.is {
					if !errors.Is(ev, err) {
						t.Errorf("%v is not %v", ev, err)
					}
				}
				end, why := ev.End(), cause.Context
				switch tt.name {
				case "Abort":
					why = cause.Aborted
				case "Shutdown":
					why = cause.Shutdown
				}
				if end.Cause() != why {
					t.Errorf("the cause is %v, want %v", end.Cause(), why)
				}
				if tt.cause == nil && tt.wire == "EOF" && !errors.Is(ev, context.Canceled) {
					t.Errorf("%v is not the context's end", ev)
				}
				if tt.not != nil && errors.Is(ev, tt.not) {
					t.Errorf("%v is %v", ev, tt.not)
				}
			})
		})
	}
}

// A handler's error that tells of a context's end is as good as the context's cause:
// that chooses the Close if it is an Error, and is in the event.
func TestServeReturnsTheEndOfAContext(t *testing.T) {
	busy := closeguard.Error(1013, "busy", errHandler)
	for _, tt := range []struct {
		name  string
		cause error
		err   func(ctx context.Context) error
		wire  string
		is    []error
	}{
		{"the context's error", busy, func(ctx context.Context) error { return ctx.Err() }, "1013 busy", []error{busy, errHandler, context.Canceled}},
		{"its cause", busy, context.Cause, "1013 busy", []error{errHandler}},
		{"what the library says", busy, func(context.Context) error { return net.ErrClosed }, "1013 busy", []error{busy, errHandler}},
		{"an Error of its own", busy, func(context.Context) error { return closeguard.Error(4000, "mine", nil) }, "4000 mine", nil},
		{"an error of its own", busy, func(context.Context) error { return errCut{} }, "1001", nil},
		{"nil", busy, func(context.Context) error { return nil }, "1000", nil},
		{"another cause", errHandler, func(ctx context.Context) error { return ctx.Err() }, "1001", []error{errHandler, context.Canceled}},
	} {
		for _, whose := range []string{"a call's", "the request's"} {
			if whose == "the request's" && tt.name == "what the library says" {
				continue // the library knows nothing of it
			}
			t.Run(tt.name+"/"+whose, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					log := new(recorder)
					g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
					inner := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						c := upgrade(t, w).(*closeguard.Conn)
						c.Driver().Serve(func() error {
							ctx, cancel := r.Context(), r.Context().Value(cancelKey{}).(context.CancelCauseFunc)
							if whose == "a call's" {
								ctx, cancel = context.WithCancelCause(context.Background())
							}
							call := c.Driver().Begin(ctx)
							cancel(tt.cause)
							c.Close()
							call.End(ctx.Err(), true)
							return tt.err(ctx)
						})
					}))
					l := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithCancelCause(r.Context())
						inner.ServeHTTP(w, r.WithContext(context.WithValue(ctx, cancelKey{}, cancel)))
					}))
					v := dial(t, l, askUpgrade)
					v.head()
					v.gets("close " + tt.wire)
					v.send(closeWith(1000, ""))
					v.sees("EOF")
					v.Close()
					time.Sleep(time.Second)
					if ev := log.ending(t, 1); ev != nil {
						for _, err := range tt.is {
							if !errors.Is(ev, err) {
								t.Errorf("%v is not %v", ev, err)
							}
						}
					}
				})
			})
		}
	}
}

type cancelKey struct{}

// Where the context ended inside a frame, the rest of that leaves ahead of the Close
// that the program says, and nothing else does; of a frame that is too long to be
// finished nothing more leaves (rule 9).
func TestAContextEndsInsideAFrame(t *testing.T) {
	const buffer = 100
	for _, tt := range []struct {
		name  string
		frame frame
		then  frame
		wire  string
		ended string
	}{
		{"Close", big(300), closeWith(1013, ""), "binary of 300 bytes | close 1013 | EOF", "local closed 1013, sent 1013, received 1013, clean"},
		{"an illegal Close", big(300), closeWith(1006, ""), "binary of 300 bytes | close 1001 | EOF",
			"local closed 1001, sent 1001, received 1001, intended 1006, clean"},
		{"data", big(300), text("more"), "EOF in a frame", "dropped 1006"},
		{"Close, and the frame is too long", big(100_000), closeWith(1013, ""), "EOF in a frame", "dropped 1006"},
	} {
		for _, role := range bothRoles {
			t.Run(tt.name+"/"+role.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, role, closeguard.Options{}, buffer, nil)
					ctx, cancel := context.WithCancel(context.Background())
					context.AfterFunc(ctx, func() { c.Close() })
					call := c.Driver().Begin(ctx)
					time.AfterFunc(time.Millisecond, cancel)
					_, err := c.Write(wireBytes(role, tt.frame))
					if err = call.End(err, true); !errors.Is(err, context.Canceled) {
						t.Errorf("the call ends with %v, want the context's end", err)
					}
					synctest.Wait()
					_, err = c.Write(wireBytes(role, tt.then))
					if taken := strings.Contains(tt.wire, "close"); taken != (err == nil) || !taken && !errors.Is(err, net.ErrClosed) {
						t.Errorf("writing %s: %v", tell(tt.then), err)
					}
					r := frameReader{r: c.peer, from: c.role}
					var got []string
					for r.err == nil {
						got = append(got, r.next())
						if strings.HasPrefix(got[len(got)-1], "close") {
							synctest.Wait()
							c.send(closeWith(uint16(c.Event().Code()), ""))
							c.peer.CloseWrite()
						}
					}
					if got := strings.Join(got, " | "); got != tt.wire {
						t.Errorf("the peer sees %s, want %s", got, tt.wire)
					}
					c.peer.Close()
					c.ends(tt.ended)
				})
			})
		}
	}
}
