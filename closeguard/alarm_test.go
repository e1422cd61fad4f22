package closeguard

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/sched"
)

// aGuard is a guard and some open connections of it, whose peers are silent.
func aGuard(t *testing.T, n int, opts Options) (*Guard, []*link) {
	t.Helper()
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	links := make([]*link, n)
	for i := range links {
		c, err := g.WrapConn(newSilent(), Server)
		if err != nil {
			t.Fatal(err)
		}
		links[i] = c.link
		t.Cleanup(func() { runtime.KeepAlive(c) })
	}
	return g, links
}

// silent is a transport that takes everything and brings nothing.
type silent struct {
	net.Conn // of a pipe, for what isn't below
	closed   chan struct{}
}

func newSilent() silent {
	nc, _ := net.Pipe()
	return silent{nc, make(chan struct{})}
}

func (c silent) Read([]byte) (int, error)    { <-c.closed; return 0, net.ErrClosed }
func (c silent) Write(p []byte) (int, error) { return len(p), nil }
func (c silent) Close() error                { close(c.closed); return nil }
func (c silent) ResumesWrites() bool         { return true }

// With lifetimes, connections have an alarm each in the one timer's queue, and
// no goroutine; without them nothing is set.
func TestOneTimerForAll(t *testing.T) {
	all := Options{PingInterval: 1 * time.Minute, IdleTimeout: time.Hour, MaxAge: 2 * time.Hour, WriteStall: time.Minute}
	for name, tt := range map[string]struct {
		opts Options
		want int // alarms of 1,000 connections
	}{
		"off": {Options{}, 0},
		"on":  {all, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, links := aGuard(t, 1, tt.opts)
				if fires, _ := g.alarms.Next(); (fires != 0) != (tt.want > 0) || (links[0].life != nil) != (tt.want > 0) {
					t.Errorf("the timer fires at %v, lifetime %v", fires, links[0].life)
				}
				for range 999 {
					c, err := g.WrapConn(newSilent(), Server)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { runtime.KeepAlive(c) })
				}
				time.Sleep(10*time.Minute + time.Second)
				synctest.Wait()
				if _, got := g.alarms.Next(); got != tt.want {
					t.Errorf("%d alarms are set, want %d", got, tt.want)
				}
				if n := started(0); n > 0 {
					t.Errorf("%d goroutines for 1,000 open connections", n)
				}
				g.Close()
			})
		})
	}
}

// An alarm that rings too early, as its connection has been heard of since, is
// set again and not moved with each byte.
func TestAlarmsAreNotMovedByEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{IdleTimeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		nc, peer := net.Pipe()
		c, err := g.WrapConn(nc, Client)
		if err != nil {
			t.Fatal(err)
		}
		first, _ := g.alarms.Next()
		for range 59 {
			time.Sleep(time.Second)
			go peer.Write([]byte{0x81, 0})
			c.Read(make([]byte, 2))
			if armed, n := g.alarms.Next(); armed != first || n != 1 {
				t.Fatalf("the timer fires at %v for %d alarms", armed, n)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if armed, _ := g.alarms.Next(); armed != first+59*time.Second {
			t.Errorf("the timer fires at %v, want %v", armed, first+59*time.Second)
		}
		g.Close()
	})
}

// Thousands of pings that are due at one moment cost no more goroutines than a
// pool has.
func TestPingsAreSentByAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{PingInterval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		gate, writes := make(chan struct{}), new(atomic.Int64)
		for range 3 * poolSize {
			c, err := g.WrapConn(gated{newSilent(), gate, writes}, Server)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { runtime.KeepAlive(c) })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := started(poolSize); n != poolSize || writes.Load() != poolSize {
			t.Errorf("%d goroutines, %d pings under way; want %d", n, writes.Load(), poolSize)
		}
		close(gate)
		synctest.Wait()
		if n := started(0); n > 0 || writes.Load() != 3*poolSize {
			t.Errorf("%d goroutines are left after %d pings", n, writes.Load())
		}
		g.Close()
	})
}

// gated is a transport whose Write waits for a gate.
type gated struct {
	net.Conn
	gate   <-chan struct{}
	writes *atomic.Int64
}

func (gated) ResumesWrites() bool { return true }

func (c gated) Write(p []byte) (int, error) {
	c.writes.Add(1)
	<-c.gate
	return c.Conn.Write(p)
}

// started is how many goroutines there are that the guard has started, when
// those of the bubble that have something to do have done it: want, if all is well.
func started(want int) (n int) {
	buf := make([]byte, 1<<22)
	for range 1000 { // the last steps of one that ends are nobody's to wait for
		synctest.Wait()
		all := buf[:runtime.Stack(buf, true)]
		n = 0
		for _, in := range []string{"closeguard.(", "closeguard/internal/sched.("} {
			n += bytes.Count(all, []byte("created by github.com/closeguard/ws/"+in))
		}
		if n == want {
			break
		}
		runtime.Gosched()
	}
	return n
}

// A guard keeps nothing of connections that have ended, nor of requests that
// came to nothing.
func TestAGuardForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, links := aGuard(t, 100, Options{MaxAge: time.Hour})
		for i, l := range links {
			g.setKeys(l, []string{"all", string(rune('a' + i%20))})
		}
		kick, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		g.CloseKey(kick, "a", CloseFrame{Code: 4000})
		links[50].close(cause.None)
		links[51].abort()
		var handle *Handle
		refused := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handle = FromContext(r.Context())
			handle.SetKeys("all", "refused")
			http.Error(w, "no", http.StatusForbidden)
			handle.SetKeys("all", "refused")
		}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		refused.ServeHTTP(hijackable{httptest.NewRecorder()}, r)
		handle.SetKeys("all", "refused")
		if _, ok := g.keys["refused"]; ok {
			t.Error("a refused request's keys are kept")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		g.Shutdown(ctx)
		synctest.Wait()
		g.setKeys(links[0], []string{"late"})
		_, alarms := g.alarms.Next()
		if n := len(g.links) + g.lingerers.all.Len() + len(g.keys) + alarms + len(g.drain.open); n != 0 {
			t.Errorf("links %d, closing %d, keys %v, alarms %d, open in the round %d",
				len(g.links), g.lingerers.all.Len(), g.keys, alarms, len(g.drain.open))
		}
		for name, p := range map[string]*sched.Pool{
			"closers": &g.closers, "tellers": &g.tellers, "fresh readers": &g.freshReaders, "readers": &g.readers, "lookers": &g.lookers,
			"writers": &g.writers, "blockers": &g.blockers, "callers": &g.callers,
		} {
			if !p.Idle() {
				t.Errorf("%s: not idle", name)
			}
		}
	})
}

// hijackable is a ResponseWriter that could be hijacked.
type hijackable struct{ http.ResponseWriter }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}
