package record

import (
	"runtime"
	"sync"
	"time"
)

// Stalls are the times in which this process didn't run, because the machine
// had something else to do or collected garbage, or in which goroutines waited long
// for a processor.
var Stalls Stalled

// Stalled keeps such times.
type Stalled struct {
	once  sync.Once
	mu    sync.Mutex
	spans []span
}

type span struct{ from, to time.Time }

// Watch begins to look.
func (s *Stalled) Watch() {
	s.once.Do(func() {
		go func() {
			const often = 5 * time.Millisecond
			last := time.Now()
			for range time.Tick(often) {
				runtime.Gosched() // and waits its turn like the others: a timer's goroutine would go first
				now := time.Now()
				if now.Sub(last) > 4*often {
					s.mu.Lock()
					s.spans = append(s.spans, span{last, now})
					s.mu.Unlock()
				}
				last = now
			}
		}()
	})
}

// Between is how much of the time from a to b, and of a little after that, the
// process stood still.
func (s *Stalled) Between(a, b time.Time) (sum time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b = b.Add(crossing)
	for _, p := range s.spans {
		if p.from.Before(a) {
			p.from = a
		}
		if p.to.After(b) {
			p.to = b
		}
		sum += max(0, p.to.Sub(p.from))
	}
	return sum
}
