package closeguard

import (
	"sync"
	"testing"
	"testing/synctest"
)

// One who takes the turn again as soon as he has given it must not keep out
// another who waits.
func TestTurnIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var turn turn
		never := func() bool { return false }
		mu.Lock()
		turn.take(&mu, never)
		had := false
		go func() {
			mu.Lock()
			defer mu.Unlock()
			turn.take(&mu, never)
			had = true
			turn.give()
		}()
		mu.Unlock()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		turn.give()
		turn.take(&mu, never)
		if !had {
			t.Error("the greedy one had it again, and the other waits")
		}
		turn.give()
	})
}

// One who waits gives up when there is nothing to wait for any more, and lets
// those behind him go on.
func TestTurnOfOneWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var turn turn
		mu.Lock()
		turn.take(&mu, nil)
		over, gaveUp, had := false, false, false
		go func() {
			mu.Lock()
			defer mu.Unlock()
			gaveUp = !turn.take(&mu, func() bool { return over })
		}()
		go func() {
			mu.Lock()
			defer mu.Unlock()
			had = turn.take(&mu, func() bool { return false })
			turn.give()
		}()
		mu.Unlock()
		synctest.Wait()
		mu.Lock()
		over = true
		turn.stir()
		mu.Unlock()
		synctest.Wait()
		if !gaveUp || had {
			t.Fatalf("gave up: %v, had it while it was taken: %v", gaveUp, had)
		}
		mu.Lock()
		turn.give()
		mu.Unlock()
		synctest.Wait()
		if !had {
			t.Error("the one behind never had it")
		}
	})
}
