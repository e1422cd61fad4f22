package closeguard_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// numbers are those of the guard's open connections.
func numbers(g *closeguard.Guard) (ns []uint64) {
	for c := range g.Connections() {
		ns = append(ns, c.Number)
	}
	slices.Sort(ns)
	return ns
}

// only is the guard's only open connection.
func only(t *testing.T, g *closeguard.Guard) closeguard.OpenConn {
	t.Helper()
	all := slices.Collect(g.Connections())
	if len(all) != 1 {
		t.Fatalf("%d connections, want 1", len(all))
	}
	return all[0]
}

// A connection is told as what it is at each step of its life, and not once it has ended.
func TestConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{PingInterval: 30 * sec, PingTimeout: 20 * sec})
		go c.readAll()
		if got := only(t, c.guard); got.Number != 1 || !got.Guarded || got.Opened != got.Heard || !got.Opened.Equal(c.began) || got.Busy || got.Closing || got.End != nil || !got.Pinged.IsZero() {
			t.Errorf("at first: %+v", got)
		}

		time.Sleep(10 * sec)
		c.SetAttrs(slog.String("user", "ann"))
		c.SetKeys("user:42", "room:7")
		c.Busy()
		c.send(text("hello"))
		synctest.Wait()
		got := only(t, c.guard)
		if !got.Heard.Equal(time.Now()) || !got.Opened.Equal(c.began) || !got.Busy || got.Attrs[0].String() != "user=ann" || fmt.Sprint(got.Keys) != "[user:42 room:7]" {
			t.Errorf("when it has said something: %+v", got)
		}
		got.Keys[0], got.Attrs[0] = "mine", slog.Int("mine", 1) // a copy
		if got := only(t, c.guard); got.Keys[0] != "user:42" || got.Attrs[0].Key != "user" {
			t.Errorf("it is no copy: %+v", got)
		}

		time.Sleep(35 * sec)
		if got := only(t, c.guard); time.Since(got.Pinged) != 5*sec || time.Since(got.Heard) != 35*sec {
			t.Errorf("after a ping: %+v", got)
		}
		c.send(pong(""))
		synctest.Wait()
		if got := only(t, c.guard); !got.Pinged.IsZero() {
			t.Errorf("after the pong: %+v", got)
		}

		go c.CloseWith(context.Background(), 4000, "enough")
		synctest.Wait()
		if got := only(t, c.guard); !got.Closing || got.End == nil || got.End.End().Sent.Code != 4000 || got.End.End().Received != nil {
			t.Errorf("while it closes: %+v", got)
		}
		c.send(closeWith(4000, ""))
		<-c.Done()
		if got := numbers(c.guard); len(got) != 0 {
			t.Errorf("it has ended, and is there: %d", got)
		}
		c.peer.Close()
	})
}

// Whoever loops may take its time, end connections and stop: nothing is locked, those
// that have ended meanwhile are left out, and new ones come the next time.
func TestConnectionsWhileTheyChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 5, closeguard.Options{})
		seen := 0
		for c := range g.Connections() {
			seen++
			for i, other := range conns {
				if uint64(i)+1 != c.Number {
					other.Abort()
				}
			}
			synctest.Wait()
		}
		if seen != 1 {
			t.Errorf("%d were told, and all but the first have ended", seen)
		}
		if got := numbers(g); len(got) != 1 {
			t.Errorf("%d are left, want 1", got)
		}
		g.Close()
		runtime.KeepAlive(conns) // the collector's calls come from outside of the bubble
		for range g.Connections() {
			t.Error("the guard is closed")
		}
		_, conns = fleet(t, 2, closeguard.Options{})
		for range conns[0].guard.Connections() {
			break
		}
		conns[0].guard.Close()
		runtime.KeepAlive(conns)
	})
}

// The events tell the keys, also when nothing can be found by them any more.
func TestEventsTellTheKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var events closetest.Recorder
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{&events}})
		ours, peer := closetest.Pipe()
		defer peer.Close()
		c, err := g.WrapConn(ours, closeguard.Server)
		if err != nil {
			t.Fatal(err)
		}
		c.SetKeys("user:42")
		c.Abort()
		<-c.Done()
		c.SetKeys("user:43")
		synctest.Wait()
		if got := events.Closed()[0].Connection().Keys; fmt.Sprint(got) != "[user:42]" {
			t.Errorf("keys: %q", got)
		}
	})
}
