package closeguard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

var (
	noReport   closeguard.Report
	fullReport = closeguard.Report{
		Answered: 7000, PeerFirst: 600, Unanswered: 50, Unsent: 4, Dropped: 3, Aborted: 2,
		Handlers: 1, Duration: 12340 * time.Millisecond,
		Slowest: []closeguard.Slow{
			{ConnInfo: closeguard.ConnInfo{Number: 7, Remote: "192.0.2.1:52110"}, Took: 5012 * time.Millisecond},
			{ConnInfo: closeguard.ConnInfo{Number: 8, Remote: "192.0.2.2:52110"}, Took: 10 * time.Millisecond},
		},
	}
)

// A report is one line for people and one group for logs.
func TestReportText(t *testing.T) {
	for _, tt := range []struct {
		name       string
		report     closeguard.Report
		total      int
		text, json string
	}{
		{"nothing", noReport, 0,
			"0 connections in 0s: 0 answered, 0 peer first, 0 unanswered, 0 unsent, 0 dropped, 0 aborted",
			`{"connections":0,"answered":0,"peer_first":0,"unanswered":0,"unsent":0,"dropped":0,"aborted":0,"handlers":0,"duration_ms":0}`},
		{"everything", fullReport, 7659,
			"7659 connections in 12s: 7000 answered, 600 peer first, 50 unanswered, 4 unsent, 3 dropped, 2 aborted, 1 handlers still running, slowest 5s (192.0.2.1:52110)",
			`{"connections":7659,"answered":7000,"peer_first":600,"unanswered":50,"unsent":4,"dropped":3,"aborted":2,"handlers":1,"duration_ms":12340,"slowest_ms":5012}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.report.Total(); got != tt.total {
				t.Errorf("Total: %d, want %d", got, tt.total)
			}
			if got := tt.report.String(); got != tt.text {
				t.Errorf("String:\n got %s\nwant %s", got, tt.text)
			}
			if got, want := logged(tt.report), fmt.Sprintf(`{"report":%s}`, tt.json); got != want {
				t.Errorf("LogValue:\n got %s\nwant %s", got, want)
			}
		})
	}
}

// logged is a value as a log line's only attribute.
func logged(v slog.LogValuer) string {
	var b bytes.Buffer
	h := slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key != "report" {
			return slog.Attr{}
		}
		return a
	}})
	slog.New(h).Info("", "report", v)
	return strings.TrimSpace(b.String())
}

// What happens in the window, before a connection's own Close is due.
func TestReportOfWhoLeavesInTheWindow(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(c *guarded)
		want  closeguard.Report
	}{
		{"the peer closes", func(c *guarded) { c.send(closeWith(4000, "bye")) }, closeguard.Report{PeerFirst: 1}},
		{"the peer vanishes", func(c *guarded) { c.peer.Close() }, closeguard.Report{Dropped: 1}},
		{"the peer resets", func(c *guarded) { c.peer.Reset() }, closeguard.Report{Dropped: 1}},
		{"the program closes, and is answered", func(c *guarded) { c.write(closeWith(4000, "")); c.send(closeWith(4000, "")) }, closeguard.Report{Answered: 1}},
		{"the program closes, and is not answered", func(c *guarded) { c.write(closeWith(4000, "")); c.peer.CloseWrite() }, closeguard.Report{Unanswered: 1}},
		{"the program aborts", func(c *guarded) { c.Abort() }, closeguard.Report{Aborted: 1}},
		{"the program kicks", func(c *guarded) {
			go c.guard.CloseFunc(context.Background(), everybody, closeguard.CloseFrame{Code: 4000})
			synctest.Wait()
			c.send(closeWith(4000, ""))
		}, closeguard.Report{Answered: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{DrainWindow: time.Hour})
				c := cr.deaf()
				cr.guard.StartDrain()
				time.Sleep(time.Second)
				go func() {
					synctest.Wait()
					tt.leave(c)
				}()
				if err := cr.shutdown(0, tt.want, 0); err != nil {
					t.Error(err)
				}
				cr.log.ending(t, 1)
			})
		})
	}
}

// The ten that took longest, the longest first: from when the Close was due,
// whether it could be sent or not, to the end of TCP.
func TestSlowest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{CloseIdle: 6 * time.Second, CloseTimeout: time.Minute})
		for i := range 12 {
			c := cr.live(time.Duration(i) * 500 * time.Millisecond)
			if i == 3 { // no Close can leave
				c.Write(wireBytes(c.role, text("hello"))[:3])
			}
		}
		report, err := cr.guard.Shutdown(context.Background())
		if report.Answered != 11 || report.Unsent != 1 || err != nil {
			t.Fatalf("%v, %v", report, err)
		}
		want := []closeguard.Slow{{ConnInfo: closeguard.ConnInfo{Number: 4}, Took: 6 * time.Second}}
		for i := 11; len(want) < 10; i-- {
			if i != 3 {
				want = append(want, closeguard.Slow{ConnInfo: closeguard.ConnInfo{Number: uint64(i + 1)}, Took: time.Duration(i) * 500 * time.Millisecond})
			}
		}
		if len(report.Slowest) != len(want) {
			t.Fatalf("%d are the slowest, want %d", len(report.Slowest), len(want))
		}
		for i, s := range report.Slowest {
			if s.Number != want[i].Number || s.Took.Round(10*time.Millisecond) != want[i].Took || s.Remote == "" {
				t.Errorf("slowest %d is connection %d, %v; want %d, %v", i, s.Number, s.Took, want[i].Number, want[i].Took)
			}
		}
	})
}

// Observers are told once a second how far it is, however many wait.
func TestProgress(t *testing.T) {
	for _, tt := range []struct {
		name  string
		waits []time.Duration // when each Shutdown begins
		want  string
	}{
		{"one waits", []time.Duration{0}, "1s: 3 open, 1 ended; 2s: 2 open, 2 ended; 3s: 1 open, 3 ended"},
		{"several wait", []time.Duration{0, 0, 300 * time.Millisecond, 1200 * time.Millisecond}, "1s: 3 open, 1 ended; 2s: 2 open, 2 ended; 3s: 1 open, 3 ended"},
		{"nobody waits", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{})
				for i := range 4 {
					cr.live(time.Duration(i)*time.Second + 500*time.Millisecond)
				}
				var wg sync.WaitGroup
				cr.guard.StartDrain()
				for _, at := range tt.waits {
					wg.Go(func() {
						time.Sleep(at)
						cr.guard.Shutdown(context.Background())
					})
				}
				wg.Wait()
				time.Sleep(10 * time.Second)
				if got := cr.progress(); got != tt.want {
					t.Errorf("\n got %s\nwant %s", got, tt.want)
				}
			})
		})
	}
}

// Another Shutdown goes on telling when the first one's context has ended.
func TestProgressGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if _, ok := ev.(closeguard.CloseEvent); ok {
				time.Sleep(8 * time.Second)
			}
		})
		cr := newCrowd(t, closeguard.Options{Observers: []closeguard.Observer{slow}})
		cr.live(0)
		go func() {
			time.Sleep(600 * time.Millisecond)
			cr.guard.Shutdown(context.Background())
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		cr.guard.Shutdown(ctx) // 2.5 s and two moments
		time.Sleep(10 * time.Second)
		var last time.Duration
		for i, at := range cr.progressTimes() {
			if i > 0 && at-last < time.Second || at-last > 2*time.Second {
				t.Errorf("events at %v and %v", last, at)
			}
			last = at
		}
		if last < 7*time.Second {
			t.Errorf("the last event comes after %v", last)
		}
	})
}

// progress tells the Progress events that were observed.
func (cr *crowd) progress() string {
	var parts []string
	times := cr.progressTimes()
	for _, ev := range cr.log.Events() {
		if p, ok := ev.(*closeguard.Progress); ok {
			parts = append(parts, fmt.Sprintf("%v: %d open, %d ended", times[len(parts)], p.Open, p.Report.Total()))
		}
	}
	return strings.Join(parts, "; ")
}

// progressTimes are when they were observed, since the crowd's beginning.
func (cr *crowd) progressTimes() (at []time.Duration) {
	cr.log.mu.Lock()
	defer cr.log.mu.Unlock()
	for i, ev := range cr.log.Events() {
		if _, ok := ev.(*closeguard.Progress); ok {
			at = append(at, cr.log.times[i].Sub(cr.began))
		}
	}
	return at
}

// A Progress is a log line like any other event.
func TestProgressLogLine(t *testing.T) {
	var b bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	closeguard.LogObserver(logger).Observe(t.Context(), &closeguard.Progress{Open: 5, Report: closeguard.Report{Answered: 2, Duration: time.Second}})
	want := `level=INFO msg="websocket shutdown" websocket.open=5 websocket.connections=2 websocket.answered=2 websocket.peer_first=0 ` +
		"websocket.unanswered=0 websocket.unsent=0 websocket.dropped=0 websocket.aborted=0 websocket.handlers=0 websocket.duration_ms=1000\n"
	if got := b.String(); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// When the context ends, handlers that return at once because of it don't
// count; those that run on do, and a nil error would say that all is over.
func TestHandlersStillRunning(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answers  bool
		handler  func(c *guarded)
		want     closeguard.Report
		aborted  int
		returned time.Duration // Shutdown, with a timeout of 2 s
	}{
		{"aborted, and returns", false, func(*guarded) {}, closeguard.Report{Aborted: 1}, 1, 2 * time.Second},
		{"aborted, and runs on", false, func(*guarded) { time.Sleep(time.Hour) }, closeguard.Report{Aborted: 1, Handlers: 1}, 1, 3 * time.Second},
		{"answered, and runs on", true, func(*guarded) { time.Sleep(time.Hour) }, closeguard.Report{Answered: 1, Handlers: 1}, 0, 3 * time.Second},
		{"answered, and returns in the last moment", true, func(*guarded) { time.Sleep(2500 * time.Millisecond) }, closeguard.Report{Answered: 1}, 0, 2500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
				c := log.open(t, g, closeguard.Server)
				cr := &crowd{t: t, guard: g, log: log, began: time.Now()}
				served := make(chan struct{})
				go func() {
					defer close(served)
					c.Driver().Serve(func() error {
						err := c.readAll()
						tt.handler(c)
						return err
					})
				}()
				if tt.answers {
					go func() {
						c.peerGets("close 1001 server shutting down")
						c.send(closeWith(1001, ""))
						io.Copy(io.Discard, c.peer)
					}()
				}
				synctest.Wait()
				err := cr.shutdown(2*time.Second, tt.want, tt.returned)
				var aborted *closeguard.AbortedError
				switch errors.As(err, &aborted); {
				case tt.aborted+tt.want.Handlers == 0:
					if err != nil {
						t.Error(err)
					}
				case aborted == nil || !strings.Contains(err.Error(), fmt.Sprintf("aborted %d connections", tt.aborted)) || !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("error: %v, want %d aborted", err, tt.aborted)
				}
				<-served
				log.ending(t, 1)
			})
		})
	}
}

// Guard.Close waits for no handler, and reports the connection's end all the same.
func TestCloseLeavesHandlersBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		c := cr.log.open(t, cr.guard, closeguard.Server)
		served := make(chan struct{})
		go func() {
			defer close(served)
			c.Driver().Serve(func() error { time.Sleep(time.Hour); return nil })
		}()
		synctest.Wait()
		cr.guard.Close()
		c.after(0)
		c.ended("dropped 1006")
		<-served
		c.ended("dropped 1006")
	})
}

// An observer that outlives the context leaves something behind.
func TestSomethingIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stays := closeguard.ObserverFunc(func(context.Context, closeguard.Event) { time.Sleep(time.Hour) })
		cr := newCrowd(t, closeguard.Options{Observers: []closeguard.Observer{stays}})
		cr.live(0)
		err := cr.shutdown(time.Second, closeguard.Report{Answered: 1}, 3*time.Second)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error: %v", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

// A connection may have ended while its handler still runs, and the observers
// may still be told of that when the handler panics.
func TestPanicWhileTheObserversAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if _, ok := ev.(closeguard.CloseEvent); ok {
				time.Sleep(time.Second)
			}
		})
		s := serve(t, closeguard.Options{Observers: []closeguard.Observer{slow}}, func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w)
			c.Read(make([]byte, 1))
			c.Close()
			time.Sleep(time.Second)
			panic(http.ErrAbortHandler)
		})
		v := s.dial(askUpgrade)
		v.head()
		v.Close()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		s.log.ending(t, 1)
	})
}
