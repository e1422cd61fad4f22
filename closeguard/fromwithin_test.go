package closeguard_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// closesMany are the calls that close many connections and wait.
var closesMany = map[string]func(ctx context.Context, g *closeguard.Guard) (closeguard.Report, error){
	"CloseKey": func(ctx context.Context, g *closeguard.Guard) (closeguard.Report, error) {
		return g.CloseKey(ctx, "user:42", kicked)
	},
	"CloseFunc": func(ctx context.Context, g *closeguard.Guard) (closeguard.Report, error) {
		return g.CloseFunc(ctx, everybody, kicked)
	},
	"Shutdown": func(ctx context.Context, g *closeguard.Guard) (closeguard.Report, error) { return g.Shutdown(ctx) },
	"Guard.Close": func(_ context.Context, g *closeguard.Guard) (closeguard.Report, error) {
		return closeguard.Report{}, g.Close()
	},
}

// closesAll makes one of these calls and checks that it returns with the right
// counts, as soon as the guard has read the answers that nobody else reads.
func closesAll(t *testing.T, name string, ctx context.Context, g *closeguard.Guard, want int) {
	t.Helper()
	began := time.Now()
	report, err := closesMany[name](ctx, g)
	if err != nil || name != "Guard.Close" && (report.Answered != want || report.Total() != want) {
		t.Errorf("%s: %v, %v; want %d answered", name, report, err, want)
	}
	if took := time.Since(began); took > sec {
		t.Errorf("%s took %v", name, took)
	}
}

// visitors are n clients that answer a Close a millisecond later.
func (s *site) visitors(n int) *sync.WaitGroup {
	var wg sync.WaitGroup
	for range n {
		v := s.dial(askUpgrade)
		v.head()
		wg.Go(func() {
			r := frameReader{r: v, from: closeguard.Server}
			if frame := r.next(); r.err == nil {
				time.Sleep(ms)
				v.Write(wireBytes(closeguard.Client, closeWith(1001, "")))
				if end := r.next(); end != "EOF" && end != "reset" {
					v.t.Errorf("behind %s came %s", frame, end)
				}
			}
			v.Close()
		})
	}
	return &wg
}

// A handler that closes all connections, its own among them, doesn't wait for
// itself: with its request's context or without, below the middleware alone or in
// Serve.
func TestClosingManyFromAHandler(t *testing.T) {
	for name := range closesMany {
		for in, run := range map[string]func(c *closeguard.Conn, handler func() error){
			"a plain handler": func(c *closeguard.Conn, handler func() error) { handler(); c.Close() },
			"Serve":           func(c *closeguard.Conn, f func() error) { c.Driver().Serve(f) },
		} {
			for _, own := range []bool{true, false} {
				with := map[bool]string{true: "the request's context", false: "another context"}[own]
				t.Run(name+" in "+in+" with "+with, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						const others = 3
						first := make(chan struct{}, 1)
						first <- struct{}{}
						var s *site
						s = serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
							c := upgrade(t, w).(*closeguard.Conn)
							c.SetKeys("user:42")
							run(c, func() error {
								select {
								case <-first:
									time.Sleep(sec) // the others come
									ctx := r.Context()
									if !own {
										ctx = t.Context()
									}
									closesAll(t, name, ctx, s.guard, 1+others)
								default:
									(&guarded{Conn: c}).readAll()
								}
								return nil
							})
						})
						visits := s.visitors(1 + others)
						visits.Wait()
						synctest.Wait()
						for number := range uint64(1 + others) {
							s.log.ending(t, number+1)
						}
						s.guard.Close()
					})
				})
			}
		}
	}
}

// Nor does an observer, whatever it is told.
func TestClosingManyFromAnObserver(t *testing.T) {
	for name := range closesMany {
		for _, when := range []string{"Opened", "a close event"} {
			for _, own := range []bool{true, false} {
				with := map[bool]string{true: "its context", false: "another context"}[own]
				t.Run(name+" from "+when+" with "+with, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						const n = 3
						var g *closeguard.Guard
						keyed, done := make(chan struct{}), make(chan struct{})
						closes := closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
							_, opened := ev.(*closeguard.Opened)
							if number := ev.Connection().Number; opened != (when == "Opened") || opened && number != n || !opened && number != 1 {
								return
							}
							defer close(done)
							<-keyed
							want := n
							if !opened {
								want-- // the first one has ended
							}
							if !own {
								ctx = t.Context()
							}
							closesAll(t, name, ctx, g, want)
						})
						cr := newCrowd(t, closeguard.Options{Observers: []closeguard.Observer{closes}})
						g = cr.guard
						for range n {
							cr.live(ms).SetKeys("user:42")
						}
						close(keyed)
						if when == "a close event" {
							synctest.Wait()
							cr.conns[0].Abort()
						}
						<-done
						time.Sleep(time.Minute)
						for i := range cr.conns {
							cr.log.ending(t, uint64(i+1))
						}
						cr.guard.Close()
					})
				})
			}
		}
	}
}

// Two handlers that close each other at the same time both return.
func TestTwoThatCloseEachOther(t *testing.T) {
	for name := range closesMany {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var s *site
				var returned sync.WaitGroup
				returned.Add(2)
				s = serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					c := upgrade(t, w).(*closeguard.Conn)
					c.SetKeys("user:42")
					c.Driver().Serve(func() error {
						defer returned.Done()
						time.Sleep(sec)
						began := time.Now()
						closesMany[name](r.Context(), s.guard)
						if took := time.Since(began); took > sec {
							t.Errorf("it took %v", took)
						}
						return nil
					})
				})
				visits := s.visitors(2)
				returned.Wait()
				visits.Wait()
				synctest.Wait()
				s.log.ending(t, 1)
				s.log.ending(t, 2)
				s.guard.Close()
			})
		})
	}
}
