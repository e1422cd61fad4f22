package sched

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sleeper takes note of when it is woken.
type sleeper struct {
	clock *Clock
	place int32

	mu    sync.Mutex
	times []time.Duration
}

func (s *sleeper) Place() *int32 { return &s.place }

func (s *sleeper) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, s.clock.Now())
}

// woken is when it was.
func (s *sleeper) woken() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times
}

func sleepers(n int) (*Alarms[*sleeper], []*sleeper) {
	clock := NewClock()
	all := make([]*sleeper, n)
	for i := range all {
		all[i] = &sleeper{clock: clock}
	}
	return NewAlarms[*sleeper](clock), all
}

// The alarm that is due first is in front, however alarms are set, moved and
// taken back, and each sleeper knows its place.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, all := sleepers(200)
		random := rand.New(rand.NewPCG(1, 2))
		due := make(map[*sleeper]time.Duration)
		for range 5000 {
			s := all[random.IntN(len(all))]
			at := time.Duration(0)
			if random.IntN(3) > 0 {
				at = time.Hour + time.Duration(random.IntN(1000))
			}
			a.Set(s, at)
			due[s] = at
			if at == 0 {
				delete(due, s)
			}
			a.mu.Lock()
			if n := len(a.queue) - a.void; n != len(due) || len(a.queue) > 2*n {
				t.Fatalf("%d entries, of which %d count; want %d", len(a.queue), n, len(due))
			}
			for i, e := range a.queue {
				if e.sleeper != nil && (int(e.sleeper.place) != i+1 || e.due != due[e.sleeper]) || e.due < a.queue[max(0, i-1)/2].due {
					t.Fatalf("place %d: %+v, want due at %v and not before %v", i, e, due[e.sleeper], a.queue[max(0, i-1)/2].due)
				}
			}
			if len(due) > 0 && (a.armed == 0 || a.armed > a.queue[0].due) {
				t.Fatalf("the timer fires at %v, the first alarm is due at %v", a.armed, a.queue[0].due)
			}
			a.mu.Unlock()
		}
		timer := a.timer
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for s, at := range due {
			if times := s.woken(); len(times) != 1 || times[0] != at || s.place != 0 {
				t.Errorf("woken at %v, want once at %v; place %d", times, at, s.place)
			}
		}
		if fires, n := a.Next(); fires != 0 || n != 0 || len(a.queue) != 0 || a.timer != timer {
			t.Errorf("when all have rung the timer fires at %v for %d alarms, %d entries; another timer: %t", fires, n, len(a.queue), a.timer != timer)
		}
	})
}

// An alarm that was taken back may stay in the queue, void; those behind it ring.
func TestAlarmsBehindAVoidOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, all := sleepers(2)
		a.Set(all[0], time.Second)
		a.Set(all[1], 10*time.Second)
		a.Set(all[0], 0)
		time.Sleep(9 * time.Second)
		if fires, n := a.Next(); n != 1 || fires != 10*time.Second {
			t.Errorf("the timer fires at %v for %d alarms", fires, n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if fires, n := a.Next(); n != 0 || fires != 0 {
			t.Errorf("the timer fires at %v for %d alarms", fires, n)
		}
	})
}

// What is due already when it is set rings at once, and tells of no standstill.
func TestAlarmsThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, all := sleepers(1)
		time.Sleep(time.Hour)
		before := a.clock.Now()
		a.Set(all[0], time.Minute)
		synctest.Wait()
		if times := all[0].woken(); len(times) != 1 || times[0] != before {
			t.Errorf("woken at %v, want %v", times, before)
		}
	})
}

// After a standstill alarms wait for a moment. What a busy machine makes of an
// alarm is none.
func TestStandstill(t *testing.T) {
	tests := []struct {
		name string
		late time.Duration
		wait time.Duration
	}{
		{"on time", 0, 0},
		{"a busy machine", lateness - 1, 0},
		{"half a second", 500 * time.Millisecond, 500 * time.Millisecond},
		{"a minute", time.Minute, recovery},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, all := sleepers(2)
				a.Set(all[0], time.Hour+1) // the clock begins at 1
				a.Set(all[1], time.Hour+tt.late+1+tt.wait/2)
				a.mu.Lock()
				a.timer.Stop()
				a.mu.Unlock()
				time.Sleep(time.Hour + tt.late)
				a.ring()
				time.Sleep(time.Hour)
				synctest.Wait()
				for i, s := range all {
					if times := s.woken(); len(times) != 1 || times[0] != time.Hour+tt.late+1+tt.wait {
						t.Errorf("sleeper %d is woken at %v, want %v", i, times, time.Hour+tt.late+1+tt.wait)
					}
				}
				if a.Set(all[0], 3*time.Hour); len(all[0].woken()) != 1 {
					t.Error("woken again")
				}
			})
		})
	}
}
