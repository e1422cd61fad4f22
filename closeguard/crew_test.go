package closeguard

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A crew does all jobs, at most as many at a time as it has goroutines, in the
// order in which they came, and goes home when there is nothing to do.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		c := crew{size: 3}
		var busy, most, done atomic.Int64
		var order []int64
		for i := range int64(10) {
			c.do(func() {
				most.Store(max(most.Load(), busy.Add(1)))
				if i >= 3 {
					order = append(order, i/3) // three at a time, in any order among themselves
				}
				time.Sleep(time.Second + time.Duration(i))
				busy.Add(-1)
				done.Add(1)
			})
		}
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got != 3 {
			t.Errorf("%d goroutines, want 3", got)
		}
		if !c.waiting() {
			t.Error("no job waits")
		}
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		if c.waiting() {
			t.Error("a job waits")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if most.Load() != 3 || done.Load() != 10 {
			t.Errorf("%d jobs were done, %d at a time; want 10, 3 at a time", done.Load(), most.Load())
		}
		for i, round := range order {
			if round != int64(i/3+1) {
				t.Errorf("order: %v", order)
				break
			}
		}
		if got := runtime.NumGoroutine() - before; got != 0 || c.busy != 0 {
			t.Errorf("%d goroutines are left, %d busy", got, c.busy)
		}
		c.do(func() { done.Add(1) })
		synctest.Wait()
		if done.Load() != 11 {
			t.Error("it doesn't come back")
		}
	})
}

func timeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// hijackable is a ResponseWriter that could be hijacked.
type hijackable struct{ http.ResponseWriter }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}
