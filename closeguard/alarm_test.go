package closeguard

import (
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard/closetest"
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
		nc, _ := closetest.Pipe()
		c, err := g.WrapConn(nc, Server)
		if err != nil {
			t.Fatal(err)
		}
		links[i] = c.link
		t.Cleanup(func() { runtime.KeepAlive(c) })
	}
	return g, links
}

// The alarm that is due first is in front, however alarms are set, moved and
// taken back, and each link knows its place.
func TestAlarmQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, links := aGuard(t, 200, Options{})
		random := rand.New(rand.NewPCG(1, 2))
		due := make(map[*link]instant)
		for range 5000 {
			l := links[random.IntN(len(links))]
			at := instant(0)
			if random.IntN(3) > 0 {
				at = time.Hour + instant(random.IntN(1000))
			}
			g.alarms.set(l, at)
			due[l] = at
			if at == 0 {
				delete(due, l)
			}
			if len(g.alarms.queue) != len(due) {
				t.Fatalf("%d alarms are set, want %d", len(g.alarms.queue), len(due))
			}
			for i, l := range g.alarms.queue {
				if l.alarm.place != i+1 || l.alarm.due != due[l] || l.alarm.due < g.alarms.queue[0].alarm.due {
					t.Fatalf("place %d: %+v, want due at %v", i, l.alarm, due[l])
				}
			}
			if len(due) > 0 && (g.alarms.armed == 0 || g.alarms.armed > g.alarms.queue[0].alarm.due) {
				t.Fatalf("the timer fires at %v, the first alarm is due at %v", g.alarms.armed, g.alarms.queue[0].alarm.due)
			}
		}
		g.Close()
		if len(g.alarms.queue) != 0 {
			t.Errorf("%d alarms are left of connections that have ended", len(g.alarms.queue))
		}
	})
}

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
				before := runtime.NumGoroutine()
				g, links := aGuard(t, 1, tt.opts)
				timer := g.alarms.timer
				if (timer != nil) != (tt.want > 0) || (links[0].life != nil) != (tt.want > 0) {
					t.Errorf("timer %v, lifetime %v", timer, links[0].life)
				}
				for range 999 {
					nc, _ := closetest.Pipe()
					c, err := g.WrapConn(nc, Server)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { runtime.KeepAlive(c) })
				}
				time.Sleep(10*time.Minute + time.Second)
				synctest.Wait()
				if got := len(g.alarms.queue); got != tt.want {
					t.Errorf("%d alarms are set, want %d", got, tt.want)
				}
				if g.alarms.timer != timer {
					t.Error("there is another timer")
				}
				if after := runtime.NumGoroutine(); after > before {
					t.Errorf("%d goroutines for 1,000 open connections", after-before)
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
		nc, peer := closetest.Pipe()
		c, err := g.WrapConn(nc, Client)
		if err != nil {
			t.Fatal(err)
		}
		first := g.alarms.armed
		for range 59 {
			time.Sleep(time.Second)
			peer.Write([]byte{0x81, 0})
			c.Read(make([]byte, 2))
			if g.alarms.armed != first || len(g.alarms.queue) != 1 {
				t.Fatalf("the timer fires at %v, %d alarms", g.alarms.armed, len(g.alarms.queue))
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if want := first + 59*time.Second; g.alarms.armed != want {
			t.Errorf("the timer fires at %v, want %v", g.alarms.armed, want)
		}
		g.Close()
	})
}

// Thousands of pings that are due at one moment cost no more goroutines than a
// crew has.
func TestPingsAreSentByACrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{PingInterval: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		for range 3 * crewSize {
			nc, _ := closetest.Pipe()
			c, err := g.WrapConn(gated{nc, gate}, Server)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { runtime.KeepAlive(c) })
		}
		before := runtime.NumGoroutine()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got != crewSize {
			t.Errorf("%d goroutines, want %d", got, crewSize)
		}
		close(gate)
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got > 0 {
			t.Errorf("%d goroutines are left", got)
		}
		g.Close()
	})
}

// gated is a transport whose Write waits for a gate.
type gated struct {
	net.Conn
	gate <-chan struct{}
}

func (c gated) Write(p []byte) (int, error) {
	<-c.gate
	return c.Conn.Write(p)
}

// A guard keeps nothing of connections that have ended, nor of requests that
// came to nothing.
func TestAGuardForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, links := aGuard(t, 100, Options{MaxAge: time.Hour})
		for i, l := range links {
			l.setKeys([]string{"all", string(rune('a' + i%20))})
		}
		kick, cancel := timeout(t, time.Second)
		defer cancel()
		g.CloseKey(kick, "a", CloseFrame{Code: 4000})
		links[50].close(nil)
		links[51].abort(ErrAborted)
		refused := g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			FromContext(r.Context()).SetKeys("all", "refused")
			http.Error(w, "no", http.StatusForbidden)
			FromContext(r.Context()).SetKeys("all", "refused")
		}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		refused.ServeHTTP(hijackable{httptest.NewRecorder()}, r)
		if _, ok := g.keys["refused"]; ok {
			t.Error("a refused request's keys are kept")
		}
		ctx, cancel := timeout(t, time.Minute)
		defer cancel()
		g.Shutdown(ctx)
		synctest.Wait()
		if n := len(g.links) + len(g.closing) + len(g.keys) + len(g.alarms.queue) + len(g.drain.open); n != 0 {
			t.Errorf("links %d, closing %d, keys %v, alarms %d, open in the round %d",
				len(g.links), len(g.closing), g.keys, len(g.alarms.queue), len(g.drain.open))
		}
		for name, c := range map[string]*crew{"closers": &g.closers, "tellers": &g.tellers, "readers": &g.readers, "writers": &g.writers} {
			if c.busy != 0 || c.jobs != nil {
				t.Errorf("%s: %d busy, %d jobs", name, c.busy, len(c.jobs))
			}
		}
		if i := slices.IndexFunc(links, func(l *link) bool { return l.keys != nil }); i >= 0 {
			t.Errorf("connection %d has keys", i)
		}
	})
}
