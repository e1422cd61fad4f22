package closeguard_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// fleet is connections of one guard.
func fleet(t *testing.T, n int, opts closeguard.Options) (*closeguard.Guard, []*guarded) {
	t.Helper()
	log := new(recorder)
	opts.Observers = append(opts.Observers, log)
	g := newGuard(t, opts)
	var conns []*guarded
	for range n {
		conns = append(conns, log.open(t, g, closeguard.Server))
	}
	return g, conns
}

// counts is a report without what takes time.
func counts(r closeguard.Report) closeguard.Report {
	r.Slowest, r.Duration = nil, 0
	return r
}

// Shutdown sends its frame to every connection, whatever state that is in, waits
// for each and says how each ended.
func TestShutdownReport(t *testing.T) {
	kinds := []struct {
		name   string
		before func(c *guarded)
		peer   func(c *guarded) // during the shutdown
		ended  string
		want   closeguard.Report
		at     time.Duration
	}{
		{"answers", func(*guarded) {}, func(c *guarded) {
			c.peerGets("close 1001 server shutting down")
			c.send(closeWith(1001, ""))
		}, "local closed 1001, sent 1001 server shutting down, received 1001, clean", closeguard.Report{Answered: 1}, 0},
		{"never answers", func(*guarded) {}, func(*guarded) {},
			"local closed 1001, sent 1001 server shutting down", closeguard.Report{Unanswered: 1}, 5 * time.Second},
		{"leaves", func(*guarded) {}, func(c *guarded) { c.peerGets("close 1001 server shutting down"); c.peer.Close() },
			"local closed 1001, sent 1001 server shutting down", closeguard.Report{Unanswered: 1}, 0},
		{"never reads", func(c *guarded) { c.write(big(1<<16 - 4)) }, func(*guarded) {},
			"dropped 1006, intended 1001 server shutting down", closeguard.Report{Unsent: 1}, 5 * time.Second},
		{"is in the middle of our frame", func(c *guarded) { c.Write(wireBytes(c.role, text("hello"))[:3]) }, func(*guarded) {},
			"dropped 1006, intended 1001 server shutting down", closeguard.Report{Unsent: 1}, 5 * time.Second},
		{"has closed, not answered yet", func(c *guarded) { c.send(closeWith(4000, "bye")); c.read(closeWith(4000, "bye")) }, func(c *guarded) {
			c.peerSees("close 4000 bye | EOF")
		}, "peer closed 4000, sent 4000 bye, received 4000 bye, clean", closeguard.Report{PeerFirst: 1}, 0},
		{"has gone, and the library hasn't closed", func(c *guarded) { c.peer.Close(); c.readAll() }, func(*guarded) {},
			"dropped 1006", closeguard.Report{Dropped: 1}, 0},
		{"is being closed", func(c *guarded) { c.write(closeWith(4000, "bye")) }, func(c *guarded) {
			c.peerGets("close 4000 bye")
			c.send(closeWith(4000, ""))
		}, "local closed 4000, sent 4000 bye, received 4000, clean", closeguard.Report{Answered: 1}, 0},
		{"is aborted meanwhile", func(*guarded) {}, func(c *guarded) { c.Abort() },
			"local closed 1001, sent 1001 server shutting down", closeguard.Report{Aborted: 1}, 0},
	}
	total := closeguard.Report{}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g, conns := fleet(t, 1, closeguard.Options{})
				c := conns[0]
				kind.before(c)
				if !strings.HasPrefix(kind.name, "has") {
					go c.readAll()
				}
				done := make(chan struct{})
				go func() {
					synctest.Wait()
					kind.peer(c)
					close(done)
				}()
				c.began = time.Now()
				report, err := g.Shutdown(context.Background())
				if err != nil {
					t.Error(err)
				}
				c.log.ending(t, 1) // which the observers know by now
				c.after(kind.at)
				if got := counts(report); got.String() != kind.want.String() {
					t.Errorf("report: %v, want %v", got, kind.want)
				}
				if report.Duration != kind.at {
					t.Errorf("Duration: %v, want %v", report.Duration, kind.at)
				}
				<-done
				ev := c.ended(kind.ended)
				if got, want := errors.Is(ev, closeguard.ErrShutdown), strings.Contains(kind.ended, "shutting down"); got != want {
					t.Errorf("errors.Is(%v, ErrShutdown) is %t", ev, got)
				}
			})
		})
		total.Answered += kind.want.Answered
		total.PeerFirst += kind.want.PeerFirst
		total.Unanswered += kind.want.Unanswered
		total.Unsent += kind.want.Unsent
		total.Dropped += kind.want.Dropped
		total.Aborted += kind.want.Aborted
	}
	bubble(t, func(t *testing.T) { // all at once: the report adds up
		g, conns := fleet(t, len(kinds), closeguard.Options{})
		began := time.Now()
		for i, c := range conns {
			kinds[i].before(c)
			go func() {
				time.Sleep(time.Millisecond)
				kinds[i].peer(c)
			}()
		}
		report, err := g.Shutdown(context.Background())
		if got := counts(report); got.String() != total.String() || err != nil {
			t.Errorf("report: %v, %v\nwant    %v", got, err, total)
		}
		if report.Total() != len(conns) || time.Since(began) > 6*time.Second {
			t.Errorf("%d connections in %v, want %d", report.Total(), time.Since(began), len(conns))
		}
	})
}

// When the context ends first, what is left is aborted.
func TestShutdownAborts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 3, closeguard.Options{})
		began := time.Now()
		go func() {
			conns[0].peerGets("close 1001 server shutting down")
			conns[0].send(closeWith(1001, ""))
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		report, err := g.Shutdown(ctx)
		var aborted *closeguard.AbortedError
		if !errors.As(err, &aborted) || report.Aborted != 2 || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 connections") {
			t.Errorf("error: %v", err)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if got := counts(report); got.String() != (closeguard.Report{Answered: 1, Aborted: 2}).String() {
			t.Errorf("report: %v", got)
		}
		for _, c := range conns[1:] {
			is(t, c.ended("local closed 1001, sent 1001 server shutting down"), net.ErrClosed, closeguard.ErrAborted, closeguard.ErrShutdown)
			c.peerSees("close 1001 server shutting down | reset")
		}
	})
	bubble(t, func(t *testing.T) { // with a context that has ended before
		g, conns := fleet(t, 1, closeguard.Options{})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errHandler)
		_, err := g.Shutdown(ctx)
		if !errors.Is(err, errHandler) {
			t.Errorf("error: %v, want the context's cause", err)
		}
		conns[0].ended(outcome(conns[0].Event()))
	})
}

// From the start of a shutdown on, requests for a WebSocket are refused; others
// are served.
func TestShutdownRefusesUpgrades(t *testing.T) {
	bubble(t, func(t *testing.T) {
		served := 0
		s := serve(t, closeguard.Options{RetryAfter: 30 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
			served++
			io.WriteString(w, "hello")
		})
		if report, err := s.guard.Shutdown(context.Background()); report.Total() != 0 || err != nil {
			t.Errorf("Shutdown of nothing: %v, %v", report, err)
		}
		v := s.dial(askUpgrade)
		head := v.head()
		for _, part := range []string{"HTTP/1.1 503 ", "Retry-After: 30\r\n", "Connection: close\r\n"} {
			if !strings.Contains(head, part) {
				t.Errorf("head without %q: %q", part, head)
			}
		}
		v.Close()
		synctest.Wait()
		events := s.log.Events()
		refused, ok := events[0].(*closeguard.Refused)
		if len(events) != 1 || !ok || refused.Status != 503 || !errors.Is(refused.Err, closeguard.ErrShutdown) || refused.Path != "/chat/42" {
			t.Errorf("events: %v", events)
		}
		if served != 0 {
			t.Error("the handler ran")
		}
		v = s.dial("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if got, _ := io.ReadAll(v); !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
			t.Errorf("a request that asks for no WebSocket: %q", got)
		}
		v.Close()
	})
}

// An upgrade that was under way when the shutdown began is closed right after it
// has opened, and Shutdown waits for it.
func TestShutdownDuringAnUpgrade(t *testing.T) {
	for _, how := range []string{"switches", "refuses", "panics"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second) // asking a database who it is
					switch how {
					case "switches":
						(&guarded{Conn: upgrade(t, w).(*closeguard.Conn)}).readAll()
					case "refuses":
						http.Error(w, "who are you?", http.StatusUnauthorized)
					default:
						panic(http.ErrAbortHandler)
					}
				})
				v := s.dial(askUpgrade)
				synctest.Wait()
				began := time.Now()
				type result struct {
					report closeguard.Report
					err    error
				}
				done := make(chan result)
				go func() {
					report, err := s.guard.Shutdown(context.Background())
					done <- result{report, err}
				}()
				want := closeguard.Report{}
				if how == "switches" {
					v.head()
					v.gets("close 1001 server shutting down")
					v.send(closeWith(1001, ""))
					want.Answered = 1
				}
				got := <-done
				if time.Since(began) != time.Second || got.err != nil || counts(got.report).String() != want.String() {
					t.Errorf("after %v: %v, %v; want %v", time.Since(began), counts(got.report), got.err, want)
				}
				v.Close()
			})
		})
	}
}

// A library that closes at once in that moment still says the shutdown's frame,
// and so does a bare close during the shutdown.
func TestBareCloseDuringAShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{BareClose: 4000}, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			upgrade(t, w).Close()
		})
		v := s.dial(askUpgrade)
		synctest.Wait()
		go s.guard.Shutdown(context.Background())
		v.head()
		v.gets("close 1001 server shutting down")
		v.Close()
		synctest.Wait()
		s.log.ending(t, 1)
	})
}

// Several callers wait for the same shutdown; a later one finds it done.
func TestShutdownTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 1, closeguard.Options{})
		reports := make(chan closeguard.Report)
		for range 3 {
			go func() {
				report, err := g.Shutdown(context.Background())
				if err != nil {
					t.Error(err)
				}
				reports <- report
			}()
		}
		time.Sleep(time.Second)
		conns[0].send(closeWith(1001, ""))
		for range 3 {
			if got := counts(<-reports); got.String() != (closeguard.Report{Answered: 1}).String() {
				t.Errorf("report: %v", got)
			}
		}
		if report, err := g.Shutdown(context.Background()); counts(report).Answered != 1 || err != nil {
			t.Errorf("a late Shutdown: %v, %v", report, err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Shutdown waits for adapters' handlers and for slow observers.
func TestShutdownWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if _, ok := ev.(closeguard.CloseEvent); ok {
				time.Sleep(time.Minute) // a database
			}
		})
		g, conns := fleet(t, 1, closeguard.Options{Observers: []closeguard.Observer{slow}})
		c := conns[0]
		served := make(chan struct{})
		go func() {
			defer close(served)
			c.Driver().Serve(func() error {
				c.readAll()
				time.Sleep(time.Hour) // cleaning up
				return nil
			})
		}()
		synctest.Wait()
		go func() {
			c.peerGets("close 1001 server shutting down")
			c.send(closeWith(1001, ""))
		}()
		report, err := g.Shutdown(context.Background())
		if report.Answered != 1 || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		c.after(time.Hour + time.Minute)
		<-served
	})
}

// A handler that runs on when the time is up is counted, and its return then
// changes nothing.
func TestShutdownLeavesAHandlerBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 1, closeguard.Options{})
		c := conns[0]
		served := make(chan struct{})
		go func() {
			defer close(served)
			c.Driver().Serve(func() error {
				time.Sleep(time.Hour)
				return errHandler
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := g.Shutdown(ctx)
		var aborted *closeguard.AbortedError
		if !errors.As(err, &aborted) || report.Aborted != 1 || report.Handlers != 1 {
			t.Errorf("%v, %v", report, err)
		}
		<-served
		ev := c.ended("local closed 1001, sent 1001 server shutting down")
		if errors.Is(ev, errHandler) {
			t.Errorf("the event has what came after it: %v", ev)
		}
	})
}

// Guard.Close aborts everything at once, waits for observers and nobody else.
func TestGuardClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 3, closeguard.Options{})
		served := make(chan struct{})
		go func() {
			defer close(served)
			conns[0].Driver().Serve(func() error { return conns[0].readAll() })
		}()
		conns[1].write(closeWith(4000, ""))
		synctest.Wait()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		<-served
		conns[0].after(0)
		for _, c := range conns {
			ev := c.ended(outcome(c.Event()))
			if !errors.Is(ev, closeguard.ErrAborted) || !errors.Is(ev, closeguard.ErrShutdown) {
				t.Errorf("it ended with %v", ev)
			}
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An illegal ShutdownFrame is repaired and reported; each connection has its own.
func TestShutdownFrame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, conns := fleet(t, 2, closeguard.Options{ShutdownFrame: func(info closeguard.ConnInfo) closeguard.CloseFrame {
			if info.Number == 1 {
				return closeguard.CloseFrame{Code: 1012, Reason: "restart"}
			}
			return closeguard.CloseFrame{Code: 1006, Reason: "bad"}
		}})
		go g.Shutdown(context.Background())
		conns[0].peerGets("close 1012 restart")
		conns[1].peerGets("close 1001 bad")
		for _, c := range conns {
			c.send(closeWith(1001, ""))
		}
		conns[0].ends("local closed 1012, sent 1012 restart, received 1001, clean")
		conns[1].ends("local closed 1001, sent 1001 bad, received 1001, intended 1006 bad, clean")
	})
}
