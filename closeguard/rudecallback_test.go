package closeguard_test

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A function of the program's that breaks off keeps no connection from ending,
// nobody's limits from coming in time, and nobody from being told.
func TestCallbacksThatBreakOff(t *testing.T) {
	tests := []struct {
		name string
		opts func(off func()) closeguard.Options
		call func(cr *crowd, off func()) // cr has three live connections
	}{
		{"ShutdownFrame in a shutdown", func(off func()) closeguard.Options {
			return closeguard.Options{ShutdownFrame: func(closeguard.ConnInfo) (f closeguard.CloseFrame) { off(); return f }}
		}, func(cr *crowd, _ func()) { cr.guard.StartDrain() }},
		{"ShutdownFrame when a busy connection turns idle", func(off func()) closeguard.Options {
			return closeguard.Options{ShutdownFrame: func(closeguard.ConnInfo) (f closeguard.CloseFrame) { off(); return f }}
		}, func(cr *crowd, _ func()) {
			for _, c := range cr.conns {
				c.Busy()
			}
			cr.guard.StartDrain()
			synctest.Wait()
			for _, c := range cr.conns {
				caught(c.Idle)
			}
		}},
		{"ShutdownFrame where the library closes", func(off func()) closeguard.Options {
			return closeguard.Options{ShutdownFrame: func(closeguard.ConnInfo) (f closeguard.CloseFrame) { off(); return f }, DrainWindow: time.Hour}
		}, func(cr *crowd, _ func()) {
			for _, c := range cr.conns {
				c.Busy()
			}
			cr.guard.StartDrain()
			synctest.Wait()
			for _, c := range cr.conns {
				caught(func() { c.Close() })
			}
		}},
		{"CloseFrameFor", func(off func()) closeguard.Options {
			return closeguard.Options{IdleTimeout: sec, CloseFrameFor: func(closeguard.ConnInfo, error) (f closeguard.CloseFrame) { off(); return f }}
		}, func(*crowd, func()) { time.Sleep(sec) }},
		{"CodeName", func(off func()) closeguard.Options {
			return closeguard.Options{
				CodeName:  func(closeguard.ConnInfo, closeguard.Code) string { off(); return "" },
				Observers: []closeguard.Observer{closeguard.LogObserver(slog.New(slog.NewTextHandler(new(lockedBuffer), nil)))},
			}
		}, func(cr *crowd, _ func()) { cr.guard.CloseFunc(context.Background(), everybody, kicked) }},
		{"the match function of CloseFunc", func(func()) closeguard.Options { return closeguard.Options{} }, func(cr *crowd, off func()) {
			caught(func() {
				cr.guard.CloseFunc(context.Background(), func(closeguard.ConnInfo) bool { off(); return true }, kicked)
			})
			for _, c := range cr.conns {
				if c.Event() != nil {
					cr.t.Errorf("it was closed: %v", c.Event())
				}
			}
			cr.guard.StartDrain()
		}},
	}
	for _, tt := range tests {
		for _, b := range breaks {
			t.Run(tt.name+" "+b.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var broken atomic.Bool
					off := func() { broken.Store(true); b.off() }
					opts := tt.opts(off)
					opts.ErrorLog = slog.New(slog.DiscardHandler)
					cr := newCrowd(t, opts)
					for range 3 {
						cr.live(0)
					}
					synctest.Wait()
					tt.call(cr, off)
					synctest.Wait()
					if !broken.Load() {
						t.Error("nothing broke off")
					}
					if closes := cr.told(); len(closes) != 3 {
						t.Errorf("%v were told, want 3", closes)
					}
					for i := range cr.conns {
						cr.log.ending(t, uint64(i+1))
					}
					cr.guard.Close()
				})
			})
		}
	}
}

// One that breaks off when it is asked for a request's attributes takes its own
// request with it, and no other.
func TestAttrsThatBreakOff(t *testing.T) {
	for _, b := range breaks {
		t.Run(b.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first := true
				opts := closeguard.Options{ErrorLog: slog.New(slog.DiscardHandler), Attrs: func(*http.Request) []slog.Attr {
					if first {
						first = false
						b.off()
					}
					return nil
				}}
				s := serve(t, opts, func(w http.ResponseWriter, r *http.Request) {
					c := upgrade(t, w)
					(&guarded{Conn: c.(*closeguard.Conn)}).readAll()
					c.Close()
				})
				v := s.dial(askUpgrade)
				v.head()
				synctest.Wait()
				v.Close()
				v = s.dial(askUpgrade)
				v.head()
				v.send(closeWith(1000, ""))
				v.sees("close 1000 | EOF")
				s.guard.Close()
				ended := 0
				for _, ev := range s.log.Events() {
					if _, ok := ev.(*closeguard.PeerClosed); ok {
						ended++
					}
				}
				if ended != 1 {
					t.Errorf("events: %v", s.log.Events())
				}
			})
		})
	}
}

// Observers that end their goroutine, as a test's FailNow does, keep none of the
// others from being told, however many events come.
func TestObserversThatEndTheirGoroutine(t *testing.T) {
	const n = 600
	bubble(t, func(t *testing.T) {
		var before, after atomic.Int64
		count := func(to *atomic.Int64) closeguard.Observer {
			return closeguard.ObserverFunc(func(context.Context, closeguard.Event) { to.Add(1) })
		}
		exits := closeguard.ObserverFunc(func(context.Context, closeguard.Event) { runtime.Goexit() })
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{count(&before), exits, count(&after), exits, log}})
		for range 2 {
			for range n {
				c := log.open(t, g, closeguard.Server)
				c.peer.Close()
				c.readAll()
				c.Close()
			}
			synctest.Wait()
		}
		for number := range uint64(2 * n) {
			log.ending(t, number+1)
		}
		if before.Load() != 4*n || after.Load() != 4*n {
			t.Errorf("told %d and %d times, want %d", before.Load(), after.Load(), 4*n)
		}
		g.Close()
	})
}
