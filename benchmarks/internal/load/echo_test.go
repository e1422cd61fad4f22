package load

import (
	"testing"
	"time"
)

// Only what comes back between the warm-up and the end counts; what CPU time is divided
// by is all.
func TestRecord(t *testing.T) {
	begin := time.Now()
	end := begin.Add(time.Second)
	s := &stream{begin: begin, end: end, times: new(histogram)}
	for _, came := range []time.Time{begin.Add(-1), begin, end.Add(-1), end} {
		sent := came.Add(-time.Millisecond)
		s.record(2, came, func() time.Time { return sent })
	}
	if s.all != 8 || s.times.n != 4 {
		t.Errorf("%d echoes, of which %d count; want 8 and 4", s.all, s.times.n)
	}
	if p99 := s.times.quantile(0.99); p99 < 990*time.Microsecond || p99 > time.Millisecond {
		t.Errorf("they took %v, want 1ms", p99)
	}
}
