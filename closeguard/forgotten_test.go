package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// A connection of which the program has learned the end, and that it forgot, is
// ended all the same.
func TestForgotten(t *testing.T) {
	tests := []struct {
		name  string
		end   func(c *guarded)
		at    time.Duration
		ended string
	}{
		{"the peer closes TCP", func(c *guarded) { c.peer.Close(); c.Read(make([]byte, 1)) }, 30 * sec, "dropped 1006"},
		{"the peer half-closes TCP", func(c *guarded) { c.peer.CloseWrite(); c.Read(make([]byte, 1)) }, 30 * sec, "dropped 1006"},
		{"the peer closes TCP, the program writes a while", func(c *guarded) {
			c.peer.CloseWrite()
			c.Read(make([]byte, 1))
			time.Sleep(10 * sec)
			c.write(text("still here"))
		}, 40 * sec, "dropped 1006"},
		{"the peer closes TCP behind its Close", func(c *guarded) {
			c.send(closeWith(1000, ""))
			c.peer.CloseWrite()
			c.read(closeWith(1000, ""))
			c.Read(make([]byte, 1))
		}, 0, "peer closed 1000, sent 1000, received 1000, clean"},
		{"a Read finds a reset", func(c *guarded) { c.peer.Reset(); c.Read(make([]byte, 1)) }, sec, "dropped 1006"},
		// What the peer sent before may still be read.
		{"a Write finds a reset", func(c *guarded) { c.peer.Reset(); c.Write(wireBytes(c.role, text("x"))) }, 30 * sec, "dropped 1006"},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(tt.name+", "+role.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					tt.end(c)
					<-c.Done()
					c.after(tt.at)
					c.ended(tt.ended)
				})
			})
		}
	}
}

// So is one that its program dropped with a context that leads to it, as one does
// in which an outer middleware has put something for the handler to fill in.
func TestAbandonedWithItsContext(t *testing.T) {
	type session struct{ conn net.Conn }
	type key struct{}
	log := new(closetest.Recorder)
	g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), key{}, new(session)))
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Context().Value(key{}).(*session).conn = upgrade(t, w)
		})).ServeHTTP(w, r)
	}))
	defer s.Close()
	peer := ask(t, s.Listener.Addr())
	if _, err := io.ReadFull(peer, make([]byte, len(switching))); err != nil {
		t.Fatal(err)
	}
	go answerTCP(peer)
	is(t, awaitAbandoned(t, log), net.ErrClosed, closeguard.ErrAbandoned)
	runtime.KeepAlive(g)
}

// One that has ended is collected though it leads to itself: nothing of the
// guard's holds it.
func TestCollectedWithItsContext(t *testing.T) {
	type session struct{ conn net.Conn }
	type key struct{}
	collected := make(chan struct{})
	g := newGuard(t, closeguard.Options{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := new(session)
		runtime.AddCleanup(mine, func(c chan struct{}) { close(c) }, collected)
		r = r.WithContext(context.WithValue(r.Context(), key{}, mine))
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w).(*closeguard.Conn)
			r.Context().Value(key{}).(*session).conn = c
			c.Abort()
			<-c.Done()
		})).ServeHTTP(w, r)
	}))
	defer s.Close()
	peer := ask(t, s.Listener.Addr())
	io.Copy(io.Discard, peer)
	for deadline := time.After(30 * sec); ; {
		runtime.GC()
		select {
		case <-collected:
			return
		case <-deadline:
			t.Fatal("it is never collected")
		case <-time.After(10 * ms):
		}
	}
}

// A handle that a program keeps for good holds neither the Conn nor the request's context
// once the end is told, also if the library closes only then, as most do by a defer.
func TestAHandleHoldsNothingBehindTheEnd(t *testing.T) {
	type session struct{ conn net.Conn }
	type key struct{}
	collected := make(chan struct{})
	g := newGuard(t, closeguard.Options{})
	conns := make(chan *closeguard.Conn, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mine := new(session)
		runtime.AddCleanup(mine, func(c chan struct{}) { close(c) }, collected)
		r = r.WithContext(context.WithValue(r.Context(), key{}, mine))
		g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mine.conn = upgrade(t, w)
			conns <- mine.conn.(*closeguard.Conn)
		})).ServeHTTP(w, r)
	}))
	defer s.Close()
	ask(t, s.Listener.Addr())
	h := func() *closeguard.Handle {
		c := <-conns
		c.Abort()
		is(t, g.Idle(t.Context()))
		c.Close()
		return closeguard.FromContext(c.Context())
	}()
	for deadline := time.After(30 * sec); ; {
		runtime.GC()
		select {
		case <-collected:
			runtime.KeepAlive(h)
			return
		case <-deadline:
			t.Fatal("the handle holds the request's context")
		case <-time.After(10 * ms):
		}
	}
}

// A connection that was taken from net/http and dropped before its 101 is closed by the
// runtime, as bare: nothing of the guard's holds it. It was never a WebSocket, and no
// event tells of it.
func TestDroppedBeforeThe101(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		t.Run(fmt.Sprintf("guarded %t", guarded), func(t *testing.T) {
			log := new(closetest.Recorder)
			g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
			var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if _, _, err := http.NewResponseController(w).Hijack(); err != nil {
					t.Error(err)
				}
			})
			if guarded {
				h = g.Middleware(h)
			}
			s := httptest.NewServer(h)
			defer s.Close()
			peer, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			io.WriteString(peer, askUpgrade)
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, peer)
				ended <- err
			}()
			for deadline := time.After(30 * sec); ; {
				runtime.GC()
				select {
				case err := <-ended:
					if events := log.Events(); err != nil || len(events) > 0 {
						t.Errorf("the peer reads %v, the observers were told %v", err, events)
					}
					return
				case <-deadline:
					t.Fatal("TCP is never closed")
				case <-time.After(10 * ms):
				}
			}
		})
	}
}
