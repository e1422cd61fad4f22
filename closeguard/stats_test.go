package closeguard_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
)

// A connection is counted as what it is, at each step of its life.
func TestStats(t *testing.T) {
	type step struct {
		what string
		do   func(c *guarded)
		want closeguard.Stats
	}
	open, closing := closeguard.Stats{Opened: 1, Open: 1}, closeguard.Stats{Opened: 1, Open: 1, Closing: 1}
	for _, steps := range [][]step{
		{
			{"the peer's Close", func(c *guarded) { c.send(closeWith(4000, "")); c.read(closeWith(4000, "")) }, closing},
			{"the answer", func(c *guarded) { c.write(closeWith(4000, "")) }, closeguard.Stats{Opened: 1, PeerClosed: 1}},
		},
		{
			{"the library's Close", func(c *guarded) { c.write(closeWith(4000, "")) }, closing},
			{"the answer", func(c *guarded) { c.send(closeWith(4000, "")) }, closeguard.Stats{Opened: 1, LocalClosed: 1}},
		},
		{
			{"a Close of the library's that a peer doesn't take", func(c *guarded) {
				c.write(big(1<<16 - 4))
				go c.Write(wireBytes(c.role, closeWith(4000, "")))
			}, closing},
			{"an abort", func(c *guarded) { c.Abort() }, closeguard.Stats{Opened: 1, Dropped: 1}},
		},
		{
			{"half of the library's Close", func(c *guarded) { c.Write(wireBytes(c.role, closeWith(4000, ""))[:3]) }, open},
			{"an abort", func(c *guarded) { c.Abort() }, closeguard.Stats{Opened: 1, Dropped: 1}},
		},
		{
			{"a Close that waits for a frame's end", func(c *guarded) {
				c.Write(wireBytes(c.role, text("hello"))[:4])
				c.CloseWith(canceled(c.t), 4000, "")
			}, closing},
			{"its limit", func(*guarded) { time.Sleep(5 * sec) }, closeguard.Stats{Opened: 1, Dropped: 1}},
		},
		{
			{"the end of the stream", func(c *guarded) { c.peer.Close(); c.readAll() }, closing},
			{"the library's end", func(c *guarded) { c.Close() }, closeguard.Stats{Opened: 1, Dropped: 1}},
		},
		{
			{"a shutdown", func(c *guarded) { go c.guard.Shutdown(context.Background()) }, closeguard.Stats{Opened: 1, Open: 1, Closing: 1, Draining: 1}},
			{"no answer", func(*guarded) { time.Sleep(5 * sec) }, closeguard.Stats{Opened: 1, LocalClosed: 1}},
		},
		{
			{"a shutdown while it is busy", func(c *guarded) { c.Busy(); c.guard.StartDrain() }, closeguard.Stats{Opened: 1, Open: 1, Draining: 1}},
			{"the guard's end", func(c *guarded) { c.guard.Close() }, closeguard.Stats{Opened: 1, Dropped: 1}},
		},
	} {
		t.Run(steps[0].what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				go func() {
					if steps[0].what != "the peer's Close" && steps[0].what != "the end of the stream" {
						c.readAll()
					}
				}()
				for _, s := range append([]step{{"nothing", func(*guarded) {}, open}}, steps...) {
					s.do(c)
					synctest.Wait()
					if got := c.guard.Stats(); got != s.want {
						t.Errorf("after %s: %+v, want %+v", s.what, got, s.want)
					}
				}
				c.peer.Close()
			})
		})
	}
}

// What was opened without the guard counts, too: no shutdown waits for it.
func TestStatsOfAWitness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, closeguard.Options{})
		for i, end := range []struct {
			end  func(c driver.Conn)
			want closeguard.Stats
		}{
			{func(c driver.Conn) { c.Received(4000, "") }, closeguard.Stats{Opened: 1, PeerClosed: 1}},
			{func(c driver.Conn) { c.Closed() }, closeguard.Stats{Opened: 2, PeerClosed: 1, LocalClosed: 1}},
			{func(c driver.Conn) { c.Closed() }, closeguard.Stats{Opened: 3, PeerClosed: 1, LocalClosed: 1, Dropped: 1}},
		} {
			c := g.Driver().Witness(t.Context(), driver.About{}).(*closeguard.Conn)
			if got := g.Stats(); got.Opened != uint64(i+1) || got.Open != 1 {
				t.Errorf("opened: %+v", got)
			}
			g.StartDrain()
			if i == 1 {
				c.Driver().Sent(4000, "")
				if got := g.Stats(); got.Closing != 1 {
					t.Errorf("closing: %+v", got)
				}
			}
			end.end(c.Driver())
			synctest.Wait()
			if got := g.Stats(); got != end.want {
				t.Errorf("ended: %+v, want %+v", got, end.want)
			}
		}
		g.Close()
	})
}

// tally is an observer that counts by itself, and compares.
type tally struct {
	t     *testing.T
	guard *closeguard.Guard
	mu    sync.Mutex
	last  closeguard.Stats
	told  closeguard.Stats // but for what an event can't tell
}

func (y *tally) Observe(_ context.Context, ev closeguard.Event) {
	y.mu.Lock()
	switch ev.(type) {
	case *closeguard.Opened:
		y.told.Opened++
	case *closeguard.PeerClosed:
		y.told.PeerClosed++
	case *closeguard.LocalClosed:
		y.told.LocalClosed++
	case *closeguard.Dropped:
		y.told.Dropped++
	}
	told := y.told
	y.mu.Unlock()
	if s := y.guard.Stats(); s.Opened < told.Opened || s.PeerClosed < told.PeerClosed || s.LocalClosed < told.LocalClosed || s.Dropped < told.Dropped {
		y.t.Errorf("%+v was told before it was counted: %+v", told, s)
	}
}

// look compares the guard's counts with themselves and with what they were.
func (y *tally) look() {
	y.mu.Lock()
	defer y.mu.Unlock()
	s, l := y.guard.Stats(), y.last
	ended := s.PeerClosed + s.LocalClosed + s.Dropped
	switch {
	case s.Opened != uint64(s.Open)+ended:
		y.t.Errorf("%d opened, %d are open, %d have ended", s.Opened, s.Open, ended)
	case s.Open < 0, s.Closing < 0, s.Closing > s.Open, s.Draining < 0, s.Draining > s.Open:
		y.t.Errorf("%+v", s)
	case s.Opened < l.Opened, s.PeerClosed < l.PeerClosed, s.LocalClosed < l.LocalClosed, s.Dropped < l.Dropped:
		y.t.Errorf("%+v after %+v", s, l)
	}
	y.last = s
}

// With many connections that open and end at the same time every look adds up, what
// the observers are told is counted by then, and in the end all is.
func TestStatsOfMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const many = 600
		y, log := &tally{t: t}, new(recorder)
		y.guard = newGuard(t, closeguard.Options{Observers: []closeguard.Observer{y, log}, MaxClosing: 50})
		var all sync.WaitGroup
		for i := range uint64(many) {
			all.Go(func() {
				r := rand.New(rand.NewPCG(i, 2))
				pause := func() { y.look(); time.Sleep(time.Duration(r.IntN(4)) * sec) }
				pause()
				c := log.open(t, y.guard, bothRoles[r.IntN(2)])
				pause()
				ends := []func(){
					func() { c.Close() },
					func() { c.Abort() },
					func() { c.peer.Close() },
					func() { c.peer.Reset() },
					func() { c.Write(wireBytes(c.role, closeWith(4000, ""))) },
					func() { c.peer.Write(wireBytes(other(c.role), closeWith(4000, ""))) },
					func() { c.CloseWith(canceled(t), 4000, "") },
				}
				all.Go(func() { c.readAll(); y.look(); c.Close() })
				for range 2 {
					ends[r.IntN(len(ends))]()
					pause()
				}
			})
		}
		time.Sleep(5 * sec)
		y.guard.Shutdown(t.Context())
		all.Wait()
		synctest.Wait()
		y.look()
		want := y.told
		if got := y.guard.Stats(); got != want || got.Opened != many {
			t.Errorf("in the end: %+v, want %+v", got, want)
		}
	})
}
