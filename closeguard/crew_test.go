package closeguard

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A crew does all jobs, at most as many at a time as it has goroutines, in the
// order in which they came, and goes home when there is nothing to do.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crew{size: 3}
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
			if got, want := c.waiting(), i > 3; got != want {
				t.Errorf("after %d jobs: waiting is %t", i, got)
			}
			c.do(job)
		}
		time.Sleep(time.Minute)
		c.do(job) // it comes back
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if want := []time.Duration{0, 0, 0, 1e9, 1e9, 1e9, 2e9, 60e9}; !slices.Equal(starts, want) {
			t.Errorf("jobs begin at %v, want %v", starts, want)
		}
		if n := started(0); n > 0 || c.busy != 0 || c.jobs != nil || c.waiting() {
			t.Errorf("%d goroutines are left, %d busy, %d jobs", n, c.busy, len(c.jobs))
		}
	})
}

// First come, first served.
func TestCrewOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crew{size: 1}
		var order []int
		for i := range 100 {
			c.do(func() { order = append(order, i) })
		}
		synctest.Wait()
		if len(order) != 100 || !slices.IsSorted(order) {
			t.Errorf("order: %v", order)
		}
	})
}
