package closeguard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Of a burst of Closes from many goroutines no more than MaxClosing linger; what
// had to go for that says so.
func TestABurstKeepsToMaxClosing(t *testing.T) {
	const n, most = 4000, 100
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{MaxClosing: most})
		for range n {
			cr.conns = append(cr.conns, cr.log.open(t, cr.guard, closeguard.Server))
		}
		var wg sync.WaitGroup
		for part := range slices.Chunk(cr.conns, n/64) {
			wg.Go(func() {
				for _, c := range part {
					c.leave()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		lingering := 0
		for _, c := range cr.conns {
			select {
			case <-c.Done():
				if !errors.Is(c.Event(), closeguard.ErrEvicted) {
					t.Errorf("connection %d: %v", c.Event().Connection().Number, c.Event())
				}
			default:
				lingering++
			}
		}
		if lingering != most {
			t.Errorf("%d linger, want %d", lingering, most)
		}
		cr.guard.Close()
	})
}

// It is those that have gone longest without a byte of their peer's.
func TestWhoIsEvicted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{MaxClosing: 100})
		for range 150 {
			c := cr.log.open(t, cr.guard, closeguard.Server)
			if cr.conns = append(cr.conns, c); len(cr.conns) <= 100 {
				c.leave()
			}
		}
		synctest.Wait()
		for i := 0; i < 100; i += 2 {
			cr.conns[i].send(pong("alive"))
		}
		synctest.Wait()
		for _, c := range cr.conns[100:] {
			c.leave()
		}
		synctest.Wait()
		for i, c := range cr.conns {
			if got, want := errors.Is(c.Event(), closeguard.ErrEvicted), i < 100 && i%2 == 1; got != want {
				t.Errorf("connection %d is evicted: %t; %v", i, got, c.Event())
			}
		}
		cr.guard.Close()
	})
}

// What has ended doesn't count, though its handler works on.
func TestHandlersAtWorkAreNotClosing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{MaxClosing: 3})
		for range 2 { // nobody answers
			cr.conns = append(cr.conns, cr.log.open(t, cr.guard, closeguard.Server))
			cr.conns[len(cr.conns)-1].leave()
		}
		work := make(chan struct{})
		for range 10 { // one after the other
			c := cr.log.open(t, cr.guard, closeguard.Server)
			go c.answer(0)
			go c.Driver().Serve(func() error {
				defer func() { <-work }()
				return c.CloseWith(t.Context(), 1008, "")
			})
			<-c.Done()
		}
		synctest.Wait()
		for _, c := range cr.conns {
			if errors.Is(c.Event(), closeguard.ErrEvicted) {
				t.Error(c.Event())
			}
		}
		close(work)
		cr.guard.Close()
	})
}

// No Close that can't leave has a goroutine of its own.
func TestStuckClosesShareGoroutines(t *testing.T) {
	const n = 5000
	for name, around := range map[string]func(*closetest.PipeConn) net.Conn{
		"a Write can be gone on with": nil,
		"over TLS it can't":           tlsLike,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				g := newGuard(t, closeguard.Options{CloseIdle: sec, Observers: []closeguard.Observer{log}})
				full := wireBytes(closeguard.Server, text("full"))
				var conns []*guarded
				for range n {
					c := log.wrap(t, g, closeguard.Server, len(full), around)
					c.Write(full)
					conns = append(conns, c)
				}
				most := 0
				var wg sync.WaitGroup
				wg.Go(func() {
					for range 10 {
						time.Sleep(99 * ms)
						most = max(most, startedIn(stacks()))
					}
				})
				report, err := g.CloseFunc(t.Context(), everybody, kicked)
				wg.Wait()
				if report.Total() != n || report.Unsent != n || err != nil {
					t.Errorf("%v, %v", report, err)
				}
				if most == 0 || most > 1600 {
					t.Errorf("%d goroutines for %d Closes that can't leave", most, n)
				}
				runtime.KeepAlive(conns)
				g.Close()
			})
		})
	}
}

// Nor has a request that was refused.
func TestRefusalsShareGoroutines(t *testing.T) {
	const n = 5000
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		var told atomic.Int64
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{closeguard.ObserverFunc(func(context.Context, closeguard.Event) {
			<-free
			told.Add(1)
		})}})
		refuses := g.Middleware(http.NotFoundHandler())
		for range n {
			refuses.ServeHTTP(&plainWriter{ResponseWriter: httptest.NewRecorder()}, upgradeRequest())
		}
		synctest.Wait()
		if got := startedIn(stacks()); got == 0 || got > 520 {
			t.Errorf("%d goroutines tell a busy observer of %d refusals", got, n)
		}
		close(free)
		g.Close()
		if told.Load() != n {
			t.Errorf("%d refusals are told", told.Load())
		}
	})
}

// stacks is a dump of all goroutines.
func stacks() []byte {
	buf := make([]byte, 1<<23)
	return buf[:runtime.Stack(buf, true)]
}
