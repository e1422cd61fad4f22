package closeguard

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// While nothing is summed no timer runs, and behind a sum none.
func TestSampleNeedsNoTimerForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Sample(ObserverFunc(func(context.Context, Event) {}), SampleOptions{First: 3})
		if err != nil {
			t.Fatal(err)
		}
		s := o.(*sampler)
		now := func() (at *interval, timed bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.now, s.now != nil && s.now.due != nil
		}
		for range 3 {
			s.Observe(t.Context(), &Dropped{})
			if _, timed := now(); timed {
				t.Fatal("a timer runs, and nothing is summed")
			}
		}
		s.Observe(t.Context(), &Dropped{})
		if _, timed := now(); !timed {
			t.Fatal("no timer runs for a sum")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if at, _ := now(); at != nil {
			t.Error("the interval is not over")
		}
	})
}
