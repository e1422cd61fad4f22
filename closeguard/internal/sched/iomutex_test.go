package sched

import (
	"sync"
	"testing"
	"testing/synctest"
)

// One who takes the lock again as soon as he has given it back must not keep out
// another who waits.
func TestIOMutexIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var m IOMutex
		never := func() bool { return false }
		mu.Lock()
		m.Lock(&mu, never)
		had := false
		go func() {
			mu.Lock()
			defer mu.Unlock()
			m.Lock(&mu, never)
			had = true
			m.Unlock()
		}()
		mu.Unlock()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		m.Unlock()
		m.Lock(&mu, never)
		if !had {
			t.Error("the greedy one had it again, and the other waits")
		}
		m.Unlock()
	})
}

// One who waits gives up when there is nothing to wait for any more, and lets
// those behind him go on.
func TestIOMutexOfOneWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var m IOMutex
		mu.Lock()
		m.Lock(&mu, nil)
		over, gaveUp, had := false, false, false
		go func() {
			mu.Lock()
			defer mu.Unlock()
			gaveUp = !m.Lock(&mu, func() bool { return over })
		}()
		go func() {
			mu.Lock()
			defer mu.Unlock()
			had = m.Lock(&mu, func() bool { return false })
			m.Unlock()
		}()
		mu.Unlock()
		synctest.Wait()
		mu.Lock()
		over = true
		m.Broadcast()
		mu.Unlock()
		synctest.Wait()
		if !gaveUp || had {
			t.Fatalf("gave up: %v, had it while it was taken: %v", gaveUp, had)
		}
		mu.Lock()
		m.Unlock()
		mu.Unlock()
		synctest.Wait()
		if !had {
			t.Error("the one behind never had it")
		}
	})
}
