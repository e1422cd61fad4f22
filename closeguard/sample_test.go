package closeguard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// sample is a Sample in front of next.
func sample(t *testing.T, next closeguard.Observer, opts closeguard.SampleOptions) closeguard.Observer {
	t.Helper()
	s, err := closeguard.Sample(next, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flush is what Shutdown does with an observer at the end.
func flush(ctx context.Context, o closeguard.Observer) {
	o.(interface{ Flush(context.Context) }).Flush(ctx)
}

func peerSaid(code closeguard.Code) closeguard.Event {
	return &closeguard.PeerClosed{Ending: closeguard.Ending{Received: &closeguard.CloseFrame{Code: code}}}
}

func weSaid(code closeguard.Code) closeguard.Event {
	return &closeguard.LocalClosed{Ending: closeguard.Ending{Sent: &closeguard.CloseFrame{Code: code}}}
}

func answered(status int, err error) closeguard.Event {
	return &closeguard.Refused{Status: status, Err: err}
}

// sorts says how often each event came, in the order in which the first of it did.
func sorts(events []closeguard.Event) string {
	var order []string
	times := make(map[string]int)
	for _, ev := range events {
		var what string
		switch e := ev.(type) {
		case closeguard.CloseEvent:
			what = fmt.Sprint(e.Kind(), " ", int(e.Code()))
		case *closeguard.Refused:
			what = fmt.Sprint("refused ", e.Status)
		case *closeguard.More:
			what = fmt.Sprintf("%s %v %d %d %v: %d more", e.Kind, e.Cause, e.Code, e.Status, e.Over, e.Count)
		default:
			what = strings.TrimPrefix(fmt.Sprintf("%T", ev), "*closeguard.")
		}
		if times[what]++; times[what] == 1 {
			order = append(order, what)
		}
	}
	for i, what := range order {
		order[i] = fmt.Sprint(times[what], "x ", what)
	}
	return strings.Join(order, ", ")
}

// Of each kind, cause and code the first pass and the rest is summed.
func TestSample(t *testing.T) {
	tests := []struct {
		name string
		ev   []closeguard.Event
		want string // five of each were told
	}{
		{"nothing comes", nil, ""},
		{"one sort", []closeguard.Event{peerSaid(1001)},
			"2x peer_closed 1001, 1x peer_closed none 1001 0 10s: 3 more"},
		{"codes", []closeguard.Event{peerSaid(1001), peerSaid(4000)},
			"2x peer_closed 1001, 2x peer_closed 4000, 1x peer_closed none 1001 0 10s: 3 more, 1x peer_closed none 4000 0 10s: 3 more"},
		{"kinds", []closeguard.Event{weSaid(1001), peerSaid(1001), &closeguard.Dropped{}},
			"2x local_closed 1001, 2x peer_closed 1001, 2x dropped 1006, " +
				"1x local_closed none 1001 0 10s: 3 more, 1x peer_closed none 1001 0 10s: 3 more, 1x dropped none 1006 0 10s: 3 more"},
		{"refusals", []closeguard.Event{answered(403, nil), answered(503, nil), answered(0, nil)},
			"2x refused 403, 2x refused 503, 2x refused 0, " +
				"1x refused none 0 403 10s: 3 more, 1x refused none 0 503 10s: 3 more, 1x refused none 0 0 10s: 3 more"},
		{"the guard's refusals", []closeguard.Event{answered(503, nil), answered(503, closeguard.ErrShutdown)},
			"4x refused 503, 1x refused none 0 503 10s: 3 more, 1x refused shutdown 0 503 10s: 3 more"},
		{"what passes", []closeguard.Event{&closeguard.Opened{}, &closeguard.Progress{}, &closeguard.More{}},
			"5x Opened, 5x Progress, 5x  none 0 0 0s: 0 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(closetest.Recorder)
				s := sample(t, log, closeguard.SampleOptions{First: 2})
				for range 5 {
					for _, ev := range tt.ev {
						s.Observe(t.Context(), ev)
					}
				}
				time.Sleep(10*time.Second - 1)
				synctest.Wait()
				if told := log.Events(closetest.Is[*closeguard.More]); len(told) > 5 {
					t.Errorf("a sum came too early: %v", sorts(told))
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if got := sorts(log.Events()); got != tt.want {
					t.Errorf("got  %v\nwant %v", got, tt.want)
				}
			})
		})
	}
}

// Each interval begins with the first event behind the last one, and passes the first
// events anew. Where nothing is summed nothing is told.
func TestSampleIntervals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(closetest.Recorder)
		s := sample(t, log, closeguard.SampleOptions{First: 1, Interval: time.Minute})
		come := func(n int, want string) {
			t.Helper()
			synctest.Wait() // what is due comes first
			for range n {
				s.Observe(t.Context(), peerSaid(1000))
			}
			synctest.Wait()
			if got := sorts(log.Take()); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		come(2, "1x peer_closed 1000")
		time.Sleep(59 * time.Second)
		come(1, "")
		time.Sleep(time.Second)
		come(1, "1x peer_closed none 1000 0 1m0s: 2 more, 1x peer_closed 1000")
		time.Sleep(time.Hour) // with nothing summed
		come(3, "1x peer_closed 1000")
		time.Sleep(time.Hour)
		come(0, "1x peer_closed none 1000 0 1m0s: 2 more")
		time.Sleep(time.Second)
		come(2, "1x peer_closed 1000")
		time.Sleep(time.Second)
		flush(t.Context(), s)
		come(0, "1x peer_closed none 1000 0 1s: 1 more")
		flush(t.Context(), s)
		come(1, "1x peer_closed 1000")
		flush(t.Context(), s) // nothing is summed: the interval goes on
		come(1, "")
	})
}

// A sum has the highest level of what is in it, and says so in the log line.
func TestSampleLevels(t *testing.T) {
	const over = `"over_ms":10000}`
	for _, tt := range []struct {
		name string
		ev   []closeguard.Event // the first passes
		want string
	}{
		{"info", []closeguard.Event{&closeguard.Dropped{}, &closeguard.Dropped{}},
			`INFO websocket closed, 1 more like this {"ending":"dropped","code":1006,"name":"abnormal closure","cause":"none","more":1,` + over},
		{"warn", []closeguard.Event{weSaid(1009), weSaid(1009), weSaid(1009)},
			`WARN websocket closed, 2 more like this {"ending":"local_closed","code":1009,"name":"message too big","cause":"none","more":2,` + over},
		{"error", []closeguard.Event{weSaid(1011), weSaid(1011)},
			`ERROR websocket closed, 1 more like this {"ending":"local_closed","code":1011,"name":"internal error","cause":"none","more":1,` + over},
		{"an error among others", []closeguard.Event{
			&closeguard.Dropped{}, &closeguard.Dropped{},
			&closeguard.Dropped{Ending: closeguard.Ending{Err: &closeguard.PanicError{Value: "oh"}}},
			&closeguard.Dropped{},
		},
			`ERROR websocket closed, 3 more like this {"ending":"dropped","code":1006,"name":"abnormal closure","cause":"none","more":3,` + over},
		{"refused", []closeguard.Event{answered(503, closeguard.ErrShutdown), answered(503, closeguard.ErrShutdown)},
			`INFO websocket refused, 1 more like this {"status":503,"cause":"shutdown","more":1,` + over},
		{"refused by the program", []closeguard.Event{answered(403, nil), answered(403, nil)},
			`INFO websocket refused, 1 more like this {"status":403,"more":1,` + over},
	} {
		bubble(t, func(t *testing.T) {
			var b lockedBuffer
			log := closeguard.LogObserver(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})))
			s := sample(t, log, closeguard.SampleOptions{First: 1})
			for _, ev := range tt.ev {
				s.Observe(t.Context(), ev)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			_, line, _ := strings.Cut(lines[len(lines)-1], `"level":"`)
			line = strings.NewReplacer(`","msg":"`, " ", `","websocket":`, " ", "}}", "}").Replace(line)
			if len(lines) != 2 || line != tt.want {
				t.Errorf("%s:\ngot  %s\nwant %s", tt.name, line, tt.want)
			}
		})
	}
}

// Peers that make up codes fill neither the memory nor the log: behind the first hundred
// sorts those without a name are one. Codes that have one stay apart.
func TestSampleOfMadeUpCodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(closetest.Recorder)
		s := sample(t, log, closeguard.SampleOptions{First: 1})
		all := uint64(0)
		for range 3 {
			for code := closeguard.Code(-5); code < 6000; code++ {
				if code == 1000 {
					s.Observe(t.Context(), answered(int(code), nil))
					all++
				}
				if code > 0 && code < 1000 {
					continue
				}
				s.Observe(t.Context(), peerSaid(code))
				all++
			}
		}
		for _, code := range []closeguard.Code{1000, 1011, 4999} {
			s.Observe(t.Context(), weSaid(code))
			s.Observe(t.Context(), weSaid(code))
			all += 2
		}
		flush(t.Context(), s)
		if got := total(log.Events()); got != all {
			t.Errorf("%d of %d", got, all)
		}
		if n := len(log.Events()); n > 250 {
			t.Errorf("%d events for %d", n, all)
		}
		told := sorts(log.Events(closetest.Is[*closeguard.More]))
		for _, want := range []string{"peer_closed none 0 0 0s", "local_closed none 1000 0 0s", "local_closed none 1011 0 0s", "local_closed none 0 0 0s"} {
			if !strings.Contains(told, "1x "+want) {
				t.Errorf("no sum of %q: %s", want, told)
			}
		}
	})
}

// total is how many events were passed on and summed.
func total(events []closeguard.Event) (n uint64) {
	for _, ev := range events {
		if more, ok := ev.(*closeguard.More); ok {
			n += more.Count
		} else {
			n++
		}
	}
	return n
}

// Ten thousand ends at once, from as many goroutines as there may be, while intervals
// end: nothing is lost and nothing counts twice.
func TestSampleAtFullSpeed(t *testing.T) {
	log := new(closetest.Recorder)
	s := sample(t, log, closeguard.SampleOptions{First: 3, Interval: time.Millisecond})
	const goroutines, each = 100, 200
	var ends sync.WaitGroup
	for n := range goroutines {
		ends.Go(func() {
			for i := range each {
				s.Observe(t.Context(), peerSaid(closeguard.Code(4000+(n+i)%300)))
				if i%50 == n%50 {
					flush(t.Context(), s)
				}
			}
		})
	}
	ends.Wait()
	flush(t.Context(), s)
	if n := total(log.Events()); n != goroutines*each {
		t.Errorf("%d events came out, %d went in", n, goroutines*each)
	}
}

// FuzzSample: whatever comes, whenever, while the observer behind panics and takes its
// time, the totals of all kinds and codes are exact.
func FuzzSample(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\xf0\x00\x00\xff\x00"))
	f.Add([]byte("\x01\x21\x01\xf3\x01\x01\x01\x51\x01\xff\x01\x01\xe0\x00\x00\x00\x00\x00\xf9"))
	f.Add(bytes.Repeat([]byte{0, 1, 2, 3, 0, 0, 17, 33, 0xf1}, 30))
	events := []closeguard.Event{
		peerSaid(1000), peerSaid(4000), weSaid(1011), &closeguard.Dropped{}, answered(403, nil),
		answered(503, closeguard.ErrShutdown), &closeguard.Opened{}, &closeguard.Progress{},
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		bubble(t, func(t *testing.T) {
			log := new(closetest.Recorder)
			s := sample(t, rudeObserver{log}, closeguard.SampleOptions{First: 2, ErrorLog: slog.New(slog.DiscardHandler)})
			var came []closeguard.Event
			for _, b := range script {
				switch {
				case b >= 0xf8:
					flush(t.Context(), s)
				case b >= 0xf0:
					time.Sleep(time.Duration(b-0xef) * 3 * time.Second)
				default:
					ev := events[int(b)%len(events)]
					came = append(came, ev)
					observe(s, ev)
				}
			}
			flush(t.Context(), s)
			told := log.Events()
			for _, of := range events {
				one := func(all []closeguard.Event) []closeguard.Event {
					return slices.DeleteFunc(slices.Clone(all), func(ev closeguard.Event) bool { return likeness(ev) != likeness(of) })
				}
				if got, want := total(one(told)), total(one(came)); got != want {
					t.Errorf("%s: %d of %d", likeness(of), got, want)
				}
			}
			if total(told) != uint64(len(came)) {
				t.Errorf("%d of %d", total(told), len(came))
			}
		})
	})
}

// likeness is the same of an event and of the sum it is in.
func likeness(ev closeguard.Event) string {
	switch e := ev.(type) {
	case *closeguard.More:
		return fmt.Sprint(e.Kind, " ", int(e.Code)+e.Status)
	case closeguard.CloseEvent:
		return fmt.Sprint(e.Kind(), " ", int(e.Code()))
	case *closeguard.Refused:
		return fmt.Sprint("refused ", e.Status)
	default:
		return fmt.Sprintf("%T 0", ev)
	}
}

// rudeObserver is an observer that takes a moment for each sum, and panics at each event when it
// has noted it.
type rudeObserver struct{ log *closetest.Recorder }

func (r rudeObserver) Observe(ctx context.Context, ev closeguard.Event) {
	r.log.Observe(ctx, ev)
	if _, sum := ev.(*closeguard.More); sum {
		time.Sleep(time.Second)
	}
	panic("rude")
}

// observe tells an observer as a guard does: its panics are caught.
func observe(o closeguard.Observer, ev closeguard.Event) {
	defer func() { _ = recover() }()
	o.Observe(context.Background(), ev)
}

// An observer behind that panics at sums, or ends their goroutine, keeps nothing from
// being told, and its panics are logged.
func TestSampleInFrontOfARudeObserver(t *testing.T) {
	for name, breakOff := range map[string]func(){"panics": func() { panic("oh") }, "ends its goroutine": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(closetest.Recorder)
				var errorLog lockedBuffer
				s := sample(t, closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
					log.Observe(ctx, ev)
					if _, sum := ev.(*closeguard.More); sum {
						breakOff()
					}
				}), closeguard.SampleOptions{First: 1, ErrorLog: slog.New(slog.NewTextHandler(&errorLog, nil))})
				for range 2 {
					for range 5 {
						s.Observe(t.Context(), peerSaid(1000))
						s.Observe(t.Context(), peerSaid(1001))
					}
					time.Sleep(10 * time.Second)
					synctest.Wait()
				}
				if n := total(log.Events()); n != 20 {
					t.Errorf("%d of 20: %s", n, sorts(log.Events()))
				}
				if got, want := strings.Count(errorLog.String(), `msg="closeguard: panic in Observer" panic=oh`), 4; name == "panics" && got != want {
					t.Errorf("%d panics logged, want %d:\n%s", got, want, errorLog.String())
				}
			})
		})
	}
}

// While the observer behind blocks at a sum, what passes passes, the rest is summed, and
// no more than two goroutines are there for it. A flush waits until its context ends.
func TestSampleInFrontOfAnObserverThatBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, goOn := new(closetest.Recorder), make(chan struct{})
		s := sample(t, closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
			if _, sum := ev.(*closeguard.More); sum {
				<-goOn
			}
			log.Observe(ctx, ev)
		}), closeguard.SampleOptions{First: 1})
		const strangers = 1 // the test's own may come and go
		before := runtime.NumGoroutine()
		for range 100 {
			s.Observe(t.Context(), peerSaid(1000))
			s.Observe(t.Context(), peerSaid(1000))
			time.Sleep(10 * time.Second)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 2+strangers {
			t.Errorf("%d goroutines", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		flush(ctx, s)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the flush took %v", took)
		}
		close(goOn)
		flush(t.Context(), s)
		if n := total(log.Events()); n != 200 {
			t.Errorf("%d of 200: %s", n, sorts(log.Events()))
		}
	})
}

// An interval that a flush has ended, while its timer waited for the observer behind, is
// over: the next one isn't cut short.
func TestSampleIsFlushedWhileItsTimerWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, goOn := new(closetest.Recorder), make(chan struct{})
		s := sample(t, closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
			log.Observe(ctx, ev)
			if _, sum := ev.(*closeguard.More); sum {
				<-goOn
			}
		}), closeguard.SampleOptions{First: 1})
		two := func() {
			s.Observe(t.Context(), peerSaid(1000))
			s.Observe(t.Context(), peerSaid(1000))
		}
		two()
		time.Sleep(11 * time.Second) // the first sum blocks
		two()
		go flush(t.Context(), s)
		time.Sleep(10 * time.Second) // the second one's timer waits behind the flush
		goOn <- struct{}{}
		synctest.Wait() // the flush tells the second sum
		two()
		close(goOn)
		time.Sleep(time.Minute)
		const first, sum = "3x peer_closed 1000, ", "x peer_closed none 1000 0 10s: 1 more"
		if got, want := sorts(log.Events()), first+"3"+sum; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// Each connection's events stay in order, and the guard's ends hand on what is summed.
func TestAGuardFlushesItsObservers(t *testing.T) {
	for name, shut := range map[string]func(*testing.T, *closeguard.Guard) error{
		"Shutdown": func(_ *testing.T, g *closeguard.Guard) error { _, err := g.Shutdown(context.Background()); return err },
		"Shutdown, aborted": func(t *testing.T, g *closeguard.Guard) error {
			_, err := g.Shutdown(canceled(t))
			if !errors.As(err, new(*closeguard.AbortedError)) {
				return fmt.Errorf("Shutdown: %w", err)
			}
			return nil
		},
		"Close": func(_ *testing.T, g *closeguard.Guard) error { return g.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(closetest.Recorder)
				outer := sample(t, sample(t, log, closeguard.SampleOptions{First: 1}), closeguard.SampleOptions{First: 2})
				g, conns := fleet(t, 20, closeguard.Options{Observers: []closeguard.Observer{outer}})
				for _, c := range conns[:15] {
					c.peer.Close()
					go func() {
						c.readAll()
						c.Close()
					}()
				}
				synctest.Wait()
				if got, want := sorts(log.Events()), "20x Opened, 1x dropped 1006"; got != want {
					t.Errorf("before: %s, want %s", got, want)
				}
				for _, c := range conns[15:] {
					go func() {
						c.readAll()
						c.Close()
					}()
				}
				if err := shut(t, g); err != nil {
					t.Error(err)
				}
				if n := total(log.Events(closetest.Not(closetest.Is[*closeguard.Progress]))); n != 40 {
					t.Errorf("%d of 40: %s", n, sorts(log.Events()))
				}
				for number := range uint64(20) {
					if of := log.Of(number + 1); len(of) == 0 || len(of) == 2 && closetest.Ended(of[0]) {
						t.Errorf("%d: %s", number, sorts(of))
					}
				}
			})
		})
	}
}

// A Shutdown whose context ends while an observer is being flushed doesn't wait for it
// much longer, and says so.
func TestShutdownWhileAFlushBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		goOn := make(chan struct{})
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{
			&flushed{flush: func() { <-goOn }}, &flushed{flush: func() { panic("oh") }}, &flushed{flush: runtime.Goexit},
		}, ErrorLog: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := g.Shutdown(ctx)
		if took := time.Since(began); took != time.Minute+time.Second {
			t.Errorf("it took %v", took)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*closeguard.AbortedError)) {
			t.Error(err)
		}
		close(goOn)
		if _, err := g.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// flushed is an observer that holds nothing back.
type flushed struct{ flush func() }

func (*flushed) Observe(context.Context, closeguard.Event) {}
func (f *flushed) Flush(context.Context)                   { f.flush() }

// Whoever is told a sum, or an event, may shut the guard down: that doesn't wait for its
// own caller.
func TestShutdownByAnObserverBehindASample(t *testing.T) {
	for name, calls := range map[string]func(closeguard.Event) bool{
		"of an event": closetest.Ended, "of a sum": closetest.Is[*closeguard.More],
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var g *closeguard.Guard
				shut := make(chan error, 100)
				s := sample(t, closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
					if calls(ev) {
						_, err := g.Shutdown(context.Background())
						shut <- err
						g.Close()
					}
				}), closeguard.SampleOptions{First: 1})
				g = newGuard(t, closeguard.Options{Observers: []closeguard.Observer{s}})
				log := new(recorder)
				for range 3 {
					c := log.open(t, g, closeguard.Server)
					c.peer.Close()
					c.readAll()
					c.Close()
				}
				if err := <-shut; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What can't be meant is refused, with the field, its value and the rule.
func TestSampleOptionsThatAreRefused(t *testing.T) {
	log := new(closetest.Recorder)
	for _, tt := range []struct {
		next closeguard.Observer
		opts closeguard.SampleOptions
		want string
	}{
		{nil, closeguard.SampleOptions{}, "closeguard: Sample: the Observer is nil"},
		{log, closeguard.SampleOptions{First: -1}, "closeguard: SampleOptions.First is -1: must not be negative"},
		{log, closeguard.SampleOptions{Interval: -time.Second}, "closeguard: SampleOptions.Interval is -1s: must not be negative"},
	} {
		if s, err := closeguard.Sample(tt.next, tt.opts); s != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

// The defaults are the first 10 in 10 s.
func TestSampleDefaults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(closetest.Recorder)
		s := sample(t, log, closeguard.SampleOptions{})
		for range 4221 {
			s.Observe(t.Context(), peerSaid(1001))
		}
		time.Sleep(time.Hour)
		if got, want := sorts(log.Events()), "10x peer_closed 1001, 1x peer_closed none 1001 0 10s: 4211 more"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
