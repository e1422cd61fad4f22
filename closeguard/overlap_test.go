package closeguard_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
)

// A shutdown, a kick, CloseWith, a handler's return and the library's Close at
// the same moment, on connections of which every second one is deaf: each gets
// one Close, ends within the limits, and is in each round once.
func TestAllThatCloseAtTheSameMoment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		const n = 40
		var conns []*guarded
		var all sync.WaitGroup
		returns := make(chan struct{})
		for i := range n {
			c := log.open(t, g, bothRoles[i/2%2])
			c.SetKeys("everyone")
			conns = append(conns, c)
			if i%2 == 0 {
				all.Go(func() {
					c.Driver().Serve(func() error { <-returns; return nil })
				})
			}
		}
		synctest.Wait()
		rounds := make(chan closeguard.Report, 2)
		began := time.Now()
		all.Go(func() { close(returns) })
		all.Go(func() {
			report, err := g.Shutdown(context.Background())
			if err != nil {
				t.Error(err)
			}
			rounds <- report
		})
		all.Go(func() {
			report, err := g.CloseKey(context.Background(), "everyone", closeguard.CloseFrame{Code: 4000})
			if err != nil {
				t.Error(err)
			}
			rounds <- report
		})
		for i, c := range conns {
			all.Go(func() { c.CloseWith(context.Background(), 4001, "") })
			all.Go(func() { c.Close() })
			if i%2 == 0 {
				all.Go(func() {
					r := frameReader{r: c.peer, from: c.role}
					r.next()
					c.send(closeWith(1000, ""))
					c.peer.CloseWrite()
				})
			}
		}
		all.Wait()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %v, want one CloseIdle", took)
		}
		for range 2 {
			if r := <-rounds; r.Total() != r.Answered+r.Unanswered || r.Total() > n {
				t.Errorf("a round of %d ended with %v", n, r)
			}
		}
		for i, c := range conns {
			c.peer.SetDeadline(time.Now())
			ev := log.ending(t, c.Event().Connection().Number)
			if ev == nil {
				return
			}
			if answered := i%2 == 0; ev.Clean() != answered || ev.End().Sent == nil {
				t.Errorf("connection %d, answered %t: %v", i, answered, ev)
			}
			if i%2 == 1 { // its Close is still there to be read
				c.peer.SetDeadline(time.Time{})
				r := frameReader{r: c.peer, from: c.role}
				if r.next(); r.err != nil || r.next() != "EOF" {
					t.Errorf("connection %d: more than one frame, or none: %v", i, r.err)
				}
			}
			c.peer.Close()
		}
	})
}

// Calls with contexts are under way when all contexts end and the library
// closes for it: no Close is made up, and the event tells the context's end, as soon as
// the program has had its say.
func TestContextsEndDuringCalls(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				ctx, cancel := context.WithCancel(context.Background())
				errs := make(chan error)
				for range 20 {
					go func() {
						call := c.Driver().Begin(ctx)
						<-ctx.Done()
						c.Close()
						errs <- call.End(ctx.Err(), true)
					}()
				}
				synctest.Wait()
				cancel()
				for range 20 {
					if err := <-errs; !errors.Is(err, context.Canceled) {
						t.Errorf("a call returns %v, want the context's end", err)
					}
				}
				if ev := c.ends("dropped 1006"); !errors.Is(ev, context.Canceled) {
					t.Errorf("the event is %v, want one with the context's end", ev)
				}
				c.after(time.Second)
				c.peerSees("EOF")
				c.peer.Close()
			})
		})
	}
}

// Several of a library's goroutines tell a Witness what they saw, at the same
// moment: there is one event, told once.
func TestWitnessesAgree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		w := g.Driver().Witness(context.Background(), driver.About{}).(*closeguard.Conn)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { w.Driver().Alive() })
			all.Go(func() { w.Driver().Received(1000, "bye") })
			all.Go(func() { w.Driver().Begin(t.Context()).End(errors.New("failed"), true) })
			all.Go(func() { w.Driver().Closed() })
		}
		all.Wait()
		<-w.Done()
		synctest.Wait()
		if ev := log.ending(t, w.Event().Connection().Number); ev != nil && ev.Connection().Guarded {
			t.Errorf("%v is of a guarded connection", ev)
		}
		g.Close()
	})
}
