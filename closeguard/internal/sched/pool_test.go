package sched

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A pool does all jobs, at most as many at a time as it has goroutines, in the
// order in which they came, and needs none when there is nothing to do.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Pool{Size: 3}
		began := time.Now()
		var mu sync.Mutex
		var starts []time.Duration
		job := func() {
			mu.Lock()
			starts = append(starts, time.Since(began))
			mu.Unlock()
			time.Sleep(time.Second)
		}
		for i := range 7 {
			if got, want := c.Waiting(), i > 3; got != want {
				t.Errorf("after %d jobs: Waiting is %t", i, got)
			}
			c.Do(job)
		}
		time.Sleep(time.Minute)
		c.Do(job) // it comes back
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if want := []time.Duration{0, 0, 0, 1e9, 1e9, 1e9, 2e9, 60e9}; !slices.Equal(starts, want) {
			t.Errorf("jobs begin at %v, want %v", starts, want)
		}
		if !c.Idle() || c.Waiting() {
			t.Errorf("%d goroutines are left, %d jobs", c.busy, len(c.jobs))
		}
	})
}

// First come, first served.
func TestPoolOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Pool{Size: 1}
		var order []int
		for i := range 100 {
			c.Do(func() { order = append(order, i) })
		}
		synctest.Wait()
		if len(order) != 100 || !slices.IsSorted(order) {
			t.Errorf("order: %v", order)
		}
	})
}

// A job that ends its goroutine takes nothing with it, however many do.
func TestPoolGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Pool{Size: 3}
		var done atomic.Int64
		for i := range 100 {
			c.Do(func() {
				done.Add(1)
				if i%10 != 9 {
					runtime.Goexit()
				}
			})
		}
		synctest.Wait()
		if n := done.Load(); n != 100 || !c.Idle() {
			t.Errorf("%d of 100 jobs are done, idle: %t", n, c.Idle())
		}
	})
}
