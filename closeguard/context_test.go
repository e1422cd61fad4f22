package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// The connection's context ends when the connection does, with the close event for its
// cause, and so do contexts that are made from it; however the connection ends, and
// whether the context was asked for before or after the end.
func TestContextEndsWithTheConnection(t *testing.T) {
	for name, end := range map[string]func(c *guarded){
		"the peer closes": func(c *guarded) {
			c.send(closeWith(4000, "bye"))
			c.readAll()
			c.Close()
		},
		"we close": func(c *guarded) {
			go c.CloseWith(context.Background(), 4000, "")
			c.peerGets("close 4000")
			c.send(closeWith(4000, ""))
		},
		"TCP ends": func(c *guarded) {
			c.peer.Close()
			c.readAll()
			c.Close()
		},
		"it is aborted": func(c *guarded) { c.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				ctx := c.Context()
				child, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				synctest.Wait()
				if err := errors.Join(ctx.Err(), context.Cause(ctx), child.Err()); err != nil {
					t.Errorf("while the connection is open: %v", err)
				}
				end(c)
				<-ctx.Done()
				select {
				case <-c.Done():
				case <-time.After(time.Nanosecond):
					t.Error("the context has ended, and the connection hasn't")
				}
				synctest.Wait()
				want := c.log.ending(t, 1)
				for name, ctx := range map[string]context.Context{"ctx": ctx, "child": child, "asked for again": c.Context()} {
					ev, ok := context.Cause(ctx).(closeguard.CloseEvent)
					if ctx.Err() != context.Canceled || !ok || outcome(ev) != outcome(want) {
						t.Errorf("%s: %v, its cause %v, want %v", name, ctx.Err(), context.Cause(ctx), want)
					}
				}
				c.peer.Close()
			})
		})
	}
}

// It has the values of the request's context, and outlives the request.
func TestContextOutlivesTheRequest(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		contexts := make(chan [3]context.Context, 1)
		g := newGuard(t, closeguard.Options{})
		next := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := closeguard.FromContext(r.Context())
			early := h.Context()
			c := upgrade(t, w).(*closeguard.Conn)
			contexts <- [3]context.Context{r.Context(), early, c.Context()}
		}))
		l := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "trace")))
		}))
		v := dial(t, l, askUpgrade)
		v.head()
		synctest.Wait()
		ctxs := <-contexts
		if ctxs[0].Err() == nil {
			t.Error("the request's context isn't cancelled: the test proves nothing")
		}
		h := closeguard.FromContext(ctxs[0])
		for _, ctx := range ctxs[1:] {
			if ctx.Err() != nil || ctx.Value(key{}) != "trace" || *closeguard.FromContext(ctx) != *h {
				t.Errorf("%v: %v, value %v", ctx, ctx.Err(), ctx.Value(key{}))
			}
		}
		h.Abort()
		for _, ctx := range ctxs[1:] {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), closeguard.ErrAborted) {
				t.Errorf("the cause is %v", context.Cause(ctx))
			}
		}
		v.Close()
	})
}

// A context that somebody asked for keeps no connection alive that the program
// dropped, although the request's context leads to the connection.
func TestAbandonedThoughItsContextWasAskedFor(t *testing.T) {
	type key struct{}
	type session struct{ conn *closeguard.Conn }
	log := new(closetest.Recorder)
	g, err := closeguard.New(closeguard.Options{BareClose: closeguard.NoClose, Observers: []closeguard.Observer{log}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := new(session)
		r = r.WithContext(context.WithValue(r.Context(), key{}, mine))
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mine.conn = upgrade(t, w).(*closeguard.Conn)
			mine.conn.Context()
		})).ServeHTTP(w, r)
	})}
	go s.Serve(l)
	defer s.Close()
	ask(t, l.Addr())
	if ev := awaitAbandoned(t, log); !errors.Is(ev, closeguard.ErrAbandoned) {
		t.Errorf("it ended as %v", ev)
	}
}

// Outside of a guarded request nothing ends.
func TestContextOfANilHandle(t *testing.T) {
	if ctx := closeguard.FromContext(context.Background()).Context(); ctx != context.Background() {
		t.Errorf("it is %v", ctx)
	}
}

// Work for a connection that no handler waits for ends with the connection.
func ExampleHandle_Context() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ours, peer := net.Pipe()
	conn, err := guard.WrapConn(ours, closeguard.Server)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := conn.Context()
	go func() {
		fmt.Fprint(peer, "\x88\x8c\x00\x00\x00\x00\x03\xe9tab closed") // a browser whose tab is closed
		peer.Read(make([]byte, 100))                                   // the answer
		peer.Close()
	}()
	go func() { // a library reads until the end
		p := make([]byte, 100)
		for _, err := conn.Read(p); err == nil; {
			_, err = conn.Read(p)
		}
		conn.Close()
	}()
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	// Output: websocket closed by peer: 1001 going away "tab closed"
}

// Whoever waits for the end of a request that was refused has waited enough.
func TestTheEndOfWhatNeverOpened(t *testing.T) {
	h := make(chan *closeguard.Handle, 1)
	s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
		handle := closeguard.FromContext(r.Context())
		handle.Context() // is asked for before anything is known
		h <- handle
		http.Error(w, "no", http.StatusBadRequest)
	})
	s.dial(askUpgrade)
	handle := <-h
	<-handle.Context().Done()
	<-handle.Done()
}
