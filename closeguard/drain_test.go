package closeguard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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

// crowd is many connections of one guard, of which the test plays the
// libraries and the peers.
type crowd struct {
	t     *testing.T
	guard *closeguard.Guard
	log   *recorder
	began time.Time
	conns []*guarded // numbered from 1 on

	mu     sync.Mutex
	closes []told
}

// told is a Close that a peer got.
type told struct {
	at     time.Duration // since the crowd's beginning
	number int           // of the connection
	frame  string
}

func newCrowd(t *testing.T, opts closeguard.Options) *crowd {
	t.Helper()
	log := new(recorder)
	opts.Observers = append(opts.Observers, log)
	return &crowd{t: t, guard: newGuard(t, opts), log: log, began: time.Now()}
}

// deaf opens a connection whose library reads, and closes at the end, and whose
// peer does nothing any more.
func (cr *crowd) deaf() *guarded {
	cr.t.Helper()
	c := cr.log.open(cr.t, cr.guard, closeguard.Server)
	cr.conns = append(cr.conns, c)
	go func() {
		c.readAll()
		c.Close()
	}()
	return c
}

// live is deaf with a peer that answers a Close after some time.
func (cr *crowd) live(after time.Duration) *guarded {
	cr.t.Helper()
	c := cr.deaf()
	number := len(cr.conns)
	go func() {
		r := frameReader{r: c.peer, from: closeguard.Server}
		for frame := r.next(); r.err == nil; frame = r.next() {
			if strings.HasPrefix(frame, "close ") {
				cr.mu.Lock()
				cr.closes = append(cr.closes, told{time.Since(cr.began), number, frame})
				cr.mu.Unlock()
				time.Sleep(after)
				c.peer.Write(wireBytes(closeguard.Client, closeWith(1001, "")))
			}
		}
	}()
	return c
}

// told are the Closes that the live peers have got, in this order.
func (cr *crowd) told() []told {
	synctest.Wait()
	cr.mu.Lock()
	defer cr.mu.Unlock()
	return slices.Clone(cr.closes)
}

// toldAt says which connections got a Close and when, like "1 at 0s, 3 at 2s".
func (cr *crowd) toldAt() string {
	var parts []string
	for _, c := range cr.told() {
		parts = append(parts, fmt.Sprintf("%d at %v", c.number, c.at))
	}
	return strings.Join(parts, ", ")
}

// shutdown shuts the guard down, within a timeout if it isn't 0, and compares
// the report and how long it took.
func (cr *crowd) shutdown(timeout time.Duration, want closeguard.Report, took time.Duration) error {
	cr.t.Helper()
	began := time.Now()
	ctx := context.Background()
	if timeout != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	report, err := cr.guard.Shutdown(ctx)
	if got := counts(report); got.String() != want.String() {
		cr.t.Errorf("report: %v\nwant    %v", got, want)
	}
	if got := time.Since(began); got != took {
		cr.t.Errorf("Shutdown took %v, want %v", got, took)
	}
	return err
}

// Retry-After is in whole seconds, and never says to come back too early.
func TestRetryAfter(t *testing.T) {
	for option, header := range map[time.Duration]string{
		0: "5", time.Nanosecond: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60",
	} {
		t.Run(option.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{RetryAfter: option}, func(http.ResponseWriter, *http.Request) {})
				s.guard.StartDrain()
				v := s.dial(askUpgrade)
				if head := v.head(); !strings.Contains(head, "\r\nRetry-After: "+header+"\r\n") {
					t.Errorf("head: %q", head)
				}
				v.Close()
			})
		})
	}
}

// Handlers learn of a shutdown before their peers do.
func TestDraining(t *testing.T) {
	for name, begin := range map[string]func(*closeguard.Guard){
		"StartDrain": (*closeguard.Guard).StartDrain,
		"Shutdown":   func(g *closeguard.Guard) { g.Shutdown(context.Background()) },
		"Close":      func(g *closeguard.Guard) { g.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t, closeguard.Options{})
			select {
			case <-g.Draining():
				t.Fatal("it is closed before")
			default:
			}
			begin(g)
			<-g.Draining()
			begin(g)
			<-g.Draining()
		})
	}
}

// A window spreads the Closes evenly and in random order; the last one leaves
// at its end.
func TestDrainWindow(t *testing.T) {
	const n, window = 1000, 10 * time.Second
	order := func(t *testing.T) (numbers []int) {
		bubble(t, func(t *testing.T) {
			cr := newCrowd(t, closeguard.Options{DrainWindow: window})
			for range n {
				cr.live(0)
			}
			cr.shutdown(0, closeguard.Report{Answered: n}, window)
			perSecond := make(map[int]int)
			for _, c := range cr.told() {
				perSecond[int(c.at/time.Second)]++
				numbers = append(numbers, c.number)
			}
			for second, closes := range perSecond {
				if closes > n*15/100 {
					t.Errorf("second %d carries %d of %d Closes", second, closes, n)
				}
			}
		})
		return numbers
	}
	first, second := order(t), order(t)
	sorted := slices.Sorted(slices.Values(first))
	if len(slices.Compact(sorted)) != n {
		t.Errorf("not every one of %d peers got a Close: %v", n, sorted)
	}
	if slices.Equal(first, second) || slices.IsSorted(first) {
		t.Errorf("the order isn't random: %v, %v", first[:10], second[:10])
	}
}

// The window ends early enough for the last Close to be answered before the
// context ends: CloseIdle before that, or half of the time if it is short. It
// is never made longer.
func TestTheWindowFitsTheDeadline(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name         string
		window, idle time.Duration
		started      time.Duration // by StartDrain, so long before Shutdown
		timeouts     []time.Duration
		last         time.Duration // Close, since the start of it all
	}{
		{"a deadline far away", 10 * s, 5 * s, 0, []time.Duration{60 * s}, 10 * s},
		{"no deadline", 10 * s, 5 * s, 0, []time.Duration{0}, 10 * s},
		{"a deadline just in time", 10 * s, 5 * s, 0, []time.Duration{15 * s}, 10 * s},
		{"an early deadline", 10 * s, 5 * s, 0, []time.Duration{12 * s}, 7 * s},
		{"a very early deadline", 10 * s, 5 * s, 0, []time.Duration{6 * s}, 3 * s},
		{"no window", 0, 5 * s, 0, []time.Duration{6 * s}, 0},
		{"a drain under way", 10 * s, 5 * s, 2 * s, []time.Duration{4 * s}, 4 * s},
		{"a drain whose window is over by then", 10 * s, 5 * s, 9 * s, []time.Duration{60 * s}, 10 * s},
		{"an earlier deadline comes later", 60 * s, 5 * s, 0, []time.Duration{40 * s, 20 * s}, 15 * s},
		{"a later deadline comes later", 60 * s, 5 * s, 0, []time.Duration{20 * s, 40 * s}, 15 * s},
	} {
		for _, n := range []int{1, 100} {
			t.Run(fmt.Sprint(tt.name, ", ", n), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					cr := newCrowd(t, closeguard.Options{DrainWindow: tt.window, CloseIdle: tt.idle})
					for range n {
						cr.live(0)
					}
					if tt.started > 0 {
						cr.guard.StartDrain()
						time.Sleep(tt.started)
					}
					var wg sync.WaitGroup
					for _, timeout := range tt.timeouts {
						wg.Go(func() {
							if err := cr.shutdown(timeout, closeguard.Report{Answered: n}, tt.last-tt.started); err != nil {
								t.Error(err)
							}
						})
						synctest.Wait()
					}
					wg.Wait()
					told := cr.told()
					if at := told[len(told)-1].at; at != tt.last {
						t.Errorf("the last Close is read after %v, want %v", at, tt.last)
					}
				})
			})
		}
	}
}

// However many peers do nothing any more, together they cost one CloseIdle, and
// the others learn of the shutdown at once.
func TestDeafPeersHoldUpNobody(t *testing.T) {
	const deaf, live, idle = 1000, 10, 5 * time.Second
	stuck := func(size int) func(*crowd) {
		return func(cr *crowd) {
			c := cr.deaf()
			if size > 0 {
				go c.Write(wireBytes(closeguard.Server, big(size)))
			}
		}
	}
	for _, tt := range []struct {
		name string
		open func(*crowd)
		want closeguard.Report
	}{
		{"there is room for a Close", stuck(0), closeguard.Report{Answered: live, Unanswered: deaf}},
		{"there is no room", stuck(1<<16 - 4), closeguard.Report{Answered: live, Unsent: deaf}},
		{"in the middle of a Write", stuck(1 << 17), closeguard.Report{Answered: live, Unsent: deaf}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{CloseIdle: idle})
				for range live {
					cr.live(0)
					for range deaf / live {
						tt.open(cr)
					}
				}
				synctest.Wait()
				began := time.Now()
				report, err := cr.guard.Shutdown(context.Background())
				if got := counts(report); got.String() != tt.want.String() || err != nil {
					t.Errorf("report: %v, %v\nwant    %v", got, err, tt.want)
				}
				if took := time.Since(began); took < idle || took > idle*11/10 {
					t.Errorf("it took %v, want one CloseIdle, %v", took, idle)
				}
				for _, c := range cr.told() {
					if c.at > 100*time.Millisecond {
						t.Errorf("connection %d was told after %v", c.number, c.at)
					}
				}
				for _, c := range cr.conns {
					c.peer.Close()
				}
			})
		})
	}
}

// Where no Read of the library's is in flight, the guard reads for the answer:
// for many connections in turns, and with few goroutines.
func TestShutdownOfWhatNobodyReads(t *testing.T) {
	const n, idle = 1500, 5 * time.Second
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{CloseIdle: idle})
		for i := range n {
			c := cr.log.open(t, cr.guard, closeguard.Server)
			cr.conns = append(cr.conns, c)
			if i%2 == 0 {
				go func() {
					c.peerGets("close 1001 server shutting down")
					c.send(closeWith(1001, ""))
				}()
			}
		}
		most := 0
		time.AfterFunc(3*time.Second/2, func() {
			buf := make([]byte, 1<<22)
			most = startedIn(buf[:runtime.Stack(buf, true)])
		})
		report, err := cr.guard.Shutdown(context.Background())
		if report.Answered != n/2 || report.Unanswered != n/2 || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		if report.Duration > idle*11/10 {
			t.Errorf("it took %v, want one CloseIdle, %v", report.Duration, idle)
		}
		if most == 0 || most > 520 {
			t.Errorf("%d goroutines, want 512 that read", most)
		}
		runtime.KeepAlive(cr)
	})
}

// A busy connection may finish: it gets its Close when it turns idle, at the
// latest when the deadline demands it.
func TestBusy(t *testing.T) {
	const s, never = time.Second, 0
	for _, tt := range []struct {
		name            string
		window, timeout time.Duration
		idle            time.Duration // when it turns idle
		want            time.Duration // when it gets its Close
	}{
		{"turns idle", 0, never, 3 * s, 3 * s},
		{"turns idle before it is due", 10 * s, never, 3 * s, 10 * s},
		{"turns idle after it was due", 10 * s, never, time.Hour, time.Hour},
		{"turns idle before the deadline", 10 * s, 60 * s, 30 * s, 30 * s},
		{"never turns idle", 0, 60 * s, never, 55 * s},
		{"never turns idle, and time is short", 0, 6 * s, never, 3 * s},
		{"never turns idle, and the window is long", 60 * s, 60 * s, never, 55 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{DrainWindow: tt.window})
				c := cr.live(0)
				c.Busy()
				if tt.idle != never {
					time.AfterFunc(tt.idle, c.Idle)
				}
				if err := cr.shutdown(tt.timeout, closeguard.Report{Answered: 1}, tt.want); err != nil {
					t.Error(err)
				}
				if got, want := cr.toldAt(), fmt.Sprint("1 at ", tt.want); got != want {
					t.Errorf("Closes: %s, want %s", got, want)
				}
			})
		})
	}
}

// Of several deadlines the earliest counts for busy connections, too.
func TestBusyAndSeveralDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		cr.live(0).Busy()
		var wg sync.WaitGroup
		for _, timeout := range []time.Duration{40 * time.Second, 20 * time.Second, 60 * time.Second} {
			wg.Go(func() { cr.shutdown(timeout, closeguard.Report{Answered: 1}, 15*time.Second) })
			synctest.Wait()
		}
		wg.Wait()
	})
}

// Idle connections don't wait for busy ones, and marks that change nothing
// change nothing.
func TestIdleFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		for range 4 {
			cr.live(0)
		}
		cr.conns[0].Busy()
		cr.conns[1].Busy()
		cr.conns[1].Idle()
		cr.conns[2].Idle()
		time.AfterFunc(time.Minute, func() {
			cr.conns[3].Busy() // it has ended
			cr.conns[3].Idle()
			cr.conns[0].Idle()
			cr.conns[0].Idle()
		})
		cr.shutdown(0, closeguard.Report{Answered: 4}, time.Minute)
		for _, c := range cr.told() {
			if want := map[bool]time.Duration{true: time.Minute}[c.number == 1]; c.at != want {
				t.Errorf("connection %d is told after %v, want %v", c.number, c.at, want)
			}
		}
	})
}

// In plain library code the request's context leads to the marks.
func TestBusyThroughTheContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := serve(t, closeguard.Options{}, func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w)
			h := closeguard.FromContext(r.Context())
			h.Busy()
			time.Sleep(time.Minute)
			c.Write(wireBytes(closeguard.Server, text("result")))
			h.Idle()
			io.Copy(io.Discard, c)
			c.Close()
		})
		v := s.dial(askUpgrade)
		v.head()
		go s.guard.Shutdown(context.Background())
		v.gets("text result | close 1001 server shutting down")
		v.send(closeWith(1001, ""))
		v.sees("EOF")
	})
	h := closeguard.FromContext(t.Context())
	h.Busy()
	h.Idle()
}

// What opens during a shutdown, or after it, is closed at once, window or not,
// and counts in the report.
func TestLateArrivals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{DrainWindow: 10 * time.Second})
		cr.live(0)
		cr.guard.StartDrain()
		time.Sleep(time.Second)
		cr.live(0)
		cr.live(0).Busy() // too late
		leaves := cr.deaf()
		leaves.peer.Close()
		if got, want := cr.toldAt(), "2 at 1s, 3 at 1s"; got != want && got != "3 at 1s, 2 at 1s" {
			t.Errorf("Closes: %s, want %s", got, want)
		}
		report, err := cr.guard.Shutdown(context.Background())
		if report.Answered != 3 || report.Total() != 4 || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		cr.live(0)
		synctest.Wait()
		if again, _ := cr.guard.Shutdown(context.Background()); again.Answered != 4 || again.Total() != 5 {
			t.Errorf("after one more: %v", again)
		}
	})
}

// An upgrade that was let in before is not spread over the window, whoever
// writes the 101, and is waited for.
func TestUpgradeInFlight(t *testing.T) {
	for name, open := range map[string]func(*testing.T, http.ResponseWriter) net.Conn{
		"the library writes the 101": upgrade,
		"net/http writes the 101":    func(t *testing.T, w http.ResponseWriter) net.Conn { c, _ := accept(t, w); return c },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := serve(t, closeguard.Options{DrainWindow: time.Hour}, func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(3 * time.Second)
					c := open(t, w)
					io.Copy(io.Discard, c)
					c.Close()
				})
				v := s.dial(askUpgrade)
				synctest.Wait()
				go func() {
					v.head()
					v.gets("close 1001 server shutting down")
					v.send(closeWith(1001, ""))
				}()
				began := time.Now()
				report, err := s.guard.Shutdown(context.Background())
				if took := time.Since(began); report.Answered != 1 || err != nil || took != 3*time.Second {
					t.Errorf("%v, %v after %v", report, err, took)
				}
				v.Close()
			})
		})
	}
}

// StartDrain returns at once; a later Shutdown waits for the same end.
func TestStartDrainThenShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		cr.live(5 * time.Second / 2)
		cr.guard.StartDrain()
		cr.guard.StartDrain()
		if got := time.Since(cr.began); got != 0 {
			t.Errorf("StartDrain took %v", got)
		}
		time.Sleep(time.Second)
		report, err := cr.guard.Shutdown(context.Background())
		if report.Answered != 1 || report.Duration != 5*time.Second/2 || err != nil {
			t.Errorf("%v in %v, %v", report, report.Duration, err)
		}
		if got := cr.toldAt(); got != "1 at 0s" {
			t.Errorf("Closes: %s, want one at once", got)
		}
	})
}

// A drain is over when nothing is left, though its window isn't: no goroutine
// stays behind.
func TestADrainEndsEarly(t *testing.T) {
	for name, leave := range map[string]func(*crowd){
		"all peers leave": func(cr *crowd) {
			for _, c := range cr.conns {
				c.peer.Close()
			}
		},
		"Close":                 func(cr *crowd) { cr.guard.Close() },
		"another context's end": func(cr *crowd) { cr.guard.Shutdown(canceled(cr.t)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cr := newCrowd(t, closeguard.Options{DrainWindow: time.Hour})
				for range 10 {
					cr.live(0)
				}
				over := make(chan struct{})
				go func() {
					cr.guard.Shutdown(context.Background())
					close(over)
				}()
				time.Sleep(time.Minute)
				leave(cr)
				<-over
				if got := time.Since(cr.began); got != time.Minute {
					t.Errorf("it took %v", got)
				}
				if n := started(0); n > 0 {
					t.Errorf("%d goroutines are left", n)
				}
			})
		})
	}
}

// started is how many goroutines there are that the guard has started, when
// those of the bubble that have something to do have done it: want, if all is well.
func started(want int) (n int) {
	buf := make([]byte, 1<<22)
	for range 1000 { // the last steps of one that ends are nobody's to wait for
		synctest.Wait()
		all := buf[:runtime.Stack(buf, true)]
		if n = startedIn(all); n == want {
			break
		}
		runtime.Gosched()
	}
	return n
}

// Both are shut down at once: requests are finished, WebSockets closed, and
// nobody gets in any more.
func TestShutdownServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		mux := http.NewServeMux()
		mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second)
			io.WriteString(w, "done")
		})
		mux.Handle("/chat/", g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := upgrade(t, w)
			io.Copy(io.Discard, c)
			c.Close()
		})))
		listener, server := closetest.Listen(), &http.Server{Handler: mux}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		slow := dial(t, listener, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		chat := dial(t, listener, askUpgrade)
		chat.head()
		synctest.Wait()
		go func() {
			chat.gets("close 1001 server shutting down")
			chat.send(closeWith(1001, ""))
			if got, _ := io.ReadAll(slow); !strings.HasSuffix(string(got), "done") {
				t.Errorf("the request was answered %q", got)
			}
		}()
		began := time.Now()
		report, err := closeguard.ShutdownServer(t.Context(), g, server)
		if took := time.Since(began); report.Answered != 1 || err != nil || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("%v, %v after %v", report, err, took) // net/http looks every half second whether it is over
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if _, err := listener.Dial(t.Context()); err == nil {
			t.Error("the server still listens")
		}
	})
}

// What neither could finish is in one error.
func TestShutdownServerWithoutTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{})
		cr.deaf()
		listener := closetest.Listen()
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
		go server.Serve(listener)
		slow := dial(t, listener, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := closeguard.ShutdownServer(ctx, cr.guard, server)
		var aborted *closeguard.AbortedError
		if !errors.As(err, &aborted) || report.Aborted != 1 || strings.Count(err.Error(), "deadline exceeded") != 2 {
			t.Errorf("%v, %v", report, err)
		}
		slow.Close()
		server.Close()
	})
}

// slowToClose is a listener whose Close takes its time.
type slowToClose struct {
	net.Listener
	takes time.Duration
}

func (l slowToClose) Close() error {
	time.Sleep(l.takes)
	return l.Listener.Close()
}

// Of several servers all stop listening before the first client is told to come
// back, and each Serve returns then. One whose listener can't be closed doesn't hold
// up the WebSockets for long.
func TestShutdownServerOfSeveral(t *testing.T) {
	for name, want := range map[string]struct {
		takes, toldAfter time.Duration // the second listener's Close; from the beginning on
	}{
		"at once":    {0, 0},
		"soon":       {100 * ms, 100 * ms},
		"much later": {time.Minute, sec},
	} {
		t.Run("they stop "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				began := time.Now()
				listeners := []*closetest.Listener{closetest.Listen(), closetest.Listen()}
				g := newGuard(t, closeguard.Options{ShutdownFrame: func(closeguard.ConnInfo) closeguard.CloseFrame {
					at := time.Since(began)
					if at != want.toldAfter {
						t.Errorf("a client is told after %v, want %v", at, want.toldAfter)
					}
					for _, l := range listeners {
						if at < want.takes {
							break // net/http would wait for the Close with a connection in its hands
						}
						if _, err := l.Dial(t.Context()); err == nil {
							t.Error("a server listens when a client is told to come back")
						}
					}
					return closeguard.CloseFrame{Code: closeguard.GoingAway}
				}})
				var servers []*http.Server
				served := make(chan error, len(listeners))
				for i, l := range listeners {
					server := &http.Server{Handler: g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						c := upgrade(t, w)
						io.Copy(io.Discard, c)
						c.Close()
					}))}
					servers = append(servers, server)
					go func() {
						var slow net.Listener = l
						if i == 1 {
							slow = slowToClose{l, want.takes}
						}
						err := server.Serve(slow)
						if at := time.Since(began); at > want.takes {
							t.Errorf("Serve returned after %v", at)
						}
						served <- err
					}()
				}
				visits := []*visit{dial(t, listeners[0], askUpgrade), dial(t, listeners[1], askUpgrade)}
				for _, v := range visits {
					v.head()
					go func() {
						v.gets("close 1001")
						time.Sleep(2 * sec)
						v.send(closeWith(1001, ""))
					}()
				}
				synctest.Wait()
				report, err := closeguard.ShutdownServer(t.Context(), g, servers...)
				if err != nil || report.Answered != len(visits) {
					t.Errorf("%v, %v", report, err)
				}
				for range servers {
					if err := <-served; !errors.Is(err, http.ErrServerClosed) {
						t.Errorf("Serve: %v", err)
					}
				}
			})
		})
	}
}

// The error of one of several says which.
func TestShutdownServerErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGuard(t, closeguard.Options{})
		broken := errors.New("the socket's file is gone")
		listener := closetest.Listen()
		server := new(http.Server)
		go server.Serve(failsToClose{listener, broken})
		synctest.Wait()
		_, err := closeguard.ShutdownServer(t.Context(), g, new(http.Server), server)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "servers[1]: ") {
			t.Errorf("error: %v", err)
		}
		if report, err := closeguard.ShutdownServer(t.Context(), newGuard(t, closeguard.Options{})); err != nil || report.Total() != 0 {
			t.Errorf("without a server: %v, %v", report, err)
		}
	})
}

// failsToClose is a listener whose Close fails.
type failsToClose struct {
	net.Listener
	err error
}

func (l failsToClose) Close() error {
	l.Listener.Close()
	return l.err
}

func TestShutdownServerNeedsAll(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	if _, err := closeguard.ShutdownServer(t.Context(), g, new(http.Server), nil); err == nil || !strings.Contains(err.Error(), "servers[1] is nil") {
		t.Errorf("without a server: %v", err)
	}
	if _, err := closeguard.ShutdownServer(t.Context(), nil, new(http.Server)); err == nil || !strings.Contains(err.Error(), "guard is nil") {
		t.Errorf("without a guard: %v", err)
	}
	select {
	case <-g.Draining():
		t.Error("the guard was shut down")
	default:
	}
}

// A ShutdownFrame of the program's that takes its time holds up its own
// connection, not all that come after it.
func TestSlowShutdownFrame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{ShutdownFrame: func(closeguard.ConnInfo) closeguard.CloseFrame {
			time.Sleep(100 * time.Millisecond)
			return closeguard.CloseFrame{Code: 1012}
		}})
		for range 300 {
			cr.live(0)
		}
		if err := cr.shutdown(time.Second, closeguard.Report{Answered: 300}, 200*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
}

// startedIn is how many of the goroutines in a dump the guard has started, by itself
// or through its pools.
func startedIn(dump []byte) int {
	return bytes.Count(dump, []byte("created by github.com/closeguard/ws/closeguard.(")) +
		bytes.Count(dump, []byte("created by github.com/closeguard/ws/closeguard/internal/sched.("))
}
