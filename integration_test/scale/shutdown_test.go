package scale

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/need"
)

// Half of the peers never read again. The shutdown is over within window and
// CloseIdle, every live client gets the code, and memory stays what it was.
func TestShutdown(t *testing.T) {
	n := pick(2000, 15000)
	window, idle := pick(time.Second, 5*time.Second), pick(2*time.Second, 5*time.Second)
	needDescriptors(t, n)
	debug.FreeOSMemory() // of other tests
	goroutines := runtime.NumGoroutine()

	var ended atomic.Int64
	s := serve(t, closeguard.Options{
		DrainWindow: window,
		CloseIdle:   idle,
		Observers: []closeguard.Observer{closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if _, ok := ev.(closeguard.CloseEvent); ok {
				ended.Add(1)
			}
		})},
	})
	peers := connect(t, order{Addr: s.addr, Path: "/guarded", Live: n / 2, Deaf: n / 2})
	runtime.GC()
	before, peak := rss(t), make(chan int)
	over := make(chan struct{})
	go func() { peak <- watch(t, over) }()

	// Where the machine is late, an alarm at the limit is late, too.
	due := make(chan time.Time, 1)
	time.AfterFunc(window+idle, func() { due <- time.Now() })
	report, err := s.guard.Shutdown(context.Background())
	behind := time.Since(<-due)
	close(over)
	most := <-peak
	if err != nil || report.Answered != n/2 || report.Unanswered != n/2 || report.Total() != n {
		t.Errorf("%v, %v", report, err)
	}
	if got := ended.Load(); got != int64(n) {
		t.Errorf("%d close events, want %d", got, n)
	}
	if spare := (window + idle) / 10; behind > spare {
		t.Errorf("it took %v, %v longer than window and CloseIdle; want at most %v more", report.Duration, behind, spare)
	}
	saw := peers.leave()
	if saw["1001"] != n/2 || len(saw) != 1 {
		t.Errorf("the live clients saw %v, want 1001 %d times", saw, n/2)
	}
	growth := 100 * float64(most-before) / float64(before)
	if full && growth >= 10 {
		t.Errorf("memory grew from %d to %d KiB", before, most)
	}
	left := await(func() bool { return runtime.NumGoroutine() <= goroutines+1 }) // net/http's Serve stays
	if !left {
		t.Errorf("%d goroutines are left", runtime.NumGoroutine()-goroutines-1)
	}
	t.Logf("%d connections, half of them deaf, window %v, CloseIdle %v\n"+
		"shutdown   %v\nanswered   %d\nunanswered %d\nRSS        %d KiB before, %d KiB at most: %+.1f %%",
		n, window, idle, report.Duration.Round(time.Millisecond), report.Answered, report.Unanswered, before, most, growth)
}

// await polls for what nobody tells of.
func await(done func() bool) bool {
	for range 500 {
		if done() {
			return true
		}
		<-time.After(10 * time.Millisecond)
	}
	return false
}

// rss is the process's memory in KiB.
func rss(t *testing.T) int {
	f, err := os.Open("/proc/self/status")
	need.Met(t, err) // memory is measured on Linux
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Error(err)
			}
			return n
		}
	}
	t.Error("/proc/self/status has no VmRSS")
	return 0
}

// watch returns the most memory that the process had until over is closed.
func watch(t *testing.T, over <-chan struct{}) (most int) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, rss(t))
		select {
		case <-tick.C:
		case <-over:
			return most
		}
	}
}

// Beside a hand-written loop that writes a Close to each connection and waits
// for the answers, with live peers only.
func TestBesideALoopByHand(t *testing.T) {
	n, pairs := pick(500, 7500), pick(1, 7)
	needDescriptors(t, n)
	guarded := func() time.Duration {
		s := serve(t, closeguard.Options{})
		peers := connect(t, order{Addr: s.addr, Path: "/guarded", Live: n})
		began := time.Now()
		report, err := s.guard.Shutdown(context.Background())
		took := time.Since(began)
		if report.Answered != n || err != nil {
			t.Errorf("%v, %v", report, err)
		}
		all1001(t, peers, n)
		return took
	}
	byHand := func() time.Duration {
		s := serve(t, closeguard.Options{})
		peers := connect(t, order{Addr: s.addr, Path: "/bare", Live: n})
		s.awaitBare(n)
		began := time.Now()
		s.shutdownByHand()
		took := time.Since(began)
		all1001(t, peers, n)
		return took
	}
	var ratios []float64
	var table strings.Builder
	for i := range pairs {
		var g, h time.Duration
		if i%2 == 0 {
			g, h = guarded(), byHand()
		} else {
			h, g = byHand(), guarded()
		}
		ratios = append(ratios, float64(g)/float64(h))
		fmt.Fprintf(&table, "%8v %8v  %.2f\n", g.Round(time.Millisecond), h.Round(time.Millisecond), ratios[i])
	}
	m := median(ratios)
	t.Logf("%d live peers\n   guard  by hand  ratio\n%s           median  %.2f", n, &table, m)
	if full && m > 1.15 {
		t.Errorf("the guard takes %.2f times as long, want at most 1.15", m)
	}
}

func all1001(t *testing.T, peers *clients, n int) {
	t.Helper()
	if saw := peers.leave(); saw["1001"] != n || len(saw) != 1 {
		t.Errorf("the clients saw %v, want 1001 %d times", saw, n)
	}
}
