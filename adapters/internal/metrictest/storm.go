package metrictest

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/closeguard/debug"
)

// Storm opens n connections, n divisible by 4, and ends them at one moment, a quarter each
// by the peer's 1001, by a peer's code of its own, by its disappearance and by the
// program's 1000. All the other observers that there are stand beside the one that is given:
// a log, a recorder, a sampled log and the live page. When Storm returns they know of all.
func Storm(t *testing.T, n int, observer closeguard.Observer) *closeguard.Guard {
	t.Helper()
	var events closetest.Recorder
	var sampled sums
	guard, _ := storm(t, n, 0, append(everybody(t, &sampled), &events, observer))
	if told := len(events.Closed()); told != n {
		t.Errorf("%d close events, want %d", told, n)
	}
	if told := sampled.passed + sampled.summed; told != n || n > 1000 && sampled.passed > n/10 {
		t.Errorf("the sampled log has %d lines and sums of %d, want %d together", sampled.passed, sampled.summed, n)
	}
	return guard
}

// Slowdown is how much longer the 99th of 100 ends takes if the observer and all others are
// told: a ratio to as many ends, right after, of which nobody is told. They are spread over
// a second.
func Slowdown(t testing.TB, n int, observer closeguard.Observer) float64 {
	t.Helper()
	_, told := storm(t, n, time.Second, append(everybody(t, new(sums)), observer))
	runtime.GC() // each begins with as much garbage
	_, untold := storm(t, n, time.Second, nil)
	runtime.GC()
	return float64(told) / float64(untold)
}

// everybody is every kind of observer that needs no other module.
func everybody(t testing.TB, sampled *sums) []closeguard.Observer {
	t.Helper()
	sample, err := closeguard.Sample(sampled, closeguard.SampleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := debug.New(debug.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return []closeguard.Observer{closeguard.LogObserver(slog.New(slog.NewJSONHandler(io.Discard, nil))), sample, page}
}

// sums counts what comes through a Sample.
type sums struct {
	mu             sync.Mutex
	passed, summed int
}

func (s *sums) Observe(_ context.Context, ev closeguard.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev := ev.(type) {
	case closeguard.CloseEvent:
		s.passed++
	case *closeguard.More:
		s.summed += int(ev.Count)
	}
}

// storm is a storm with these observers, over so long, and how long the 99th of 100 ends
// took, from when one side began it to the end of TCP.
func storm(t testing.TB, n int, over time.Duration, observers []closeguard.Observer) (guard *closeguard.Guard, p99 time.Duration) {
	t.Helper()
	guard, err := closeguard.New(closeguard.Options{
		Observers: observers,
		CloseIdle: time.Minute, // a busy machine is no cause
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := make([]chan time.Time, n)
	took := make([]time.Duration, n)
	var peers, programs sync.WaitGroup
	for i := range n {
		theirs, ours := closetest.Pipe()
		conn, err := guard.WrapConn(ours, closeguard.Server)
		if err != nil {
			t.Fatal(err)
		}
		peer := closetest.NewPeer(theirs, closeguard.Client)
		begun[i] = make(chan time.Time, 2) // for both sides
		peers.Go(func() {
			<-begun[i]
			switch i % 4 {
			case 0:
				peer.WriteClose(closeguard.GoingAway, "")
			case 1:
				peer.WriteClose(closeguard.Code(3000+i%2000), Hostile)
			case 2:
				peer.Close()
				return
			}
			closetest.Polite.Run(context.Background(), peer)
		})
		programs.Go(func() {
			closes := i%4 == 3
			if closes {
				at := <-begun[i]
				begun[i] <- at
				conn.CloseWith(context.Background(), closeguard.NormalClosure, "")
			}
			io.Copy(io.Discard, conn)
			conn.Close()
			<-conn.Done()
			took[i] = time.Since(<-begun[i])
		})
	}
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(over * time.Duration(i) / time.Duration(n)))) // the load's own pace
		now := time.Now()
		begun[i] <- now
		begun[i] <- now
	}
	peers.Wait()
	programs.Wait()
	if _, err := guard.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d closes in %v", n, time.Since(began).Round(time.Millisecond))
	slices.Sort(took)
	return guard, took[n*99/100]
}
