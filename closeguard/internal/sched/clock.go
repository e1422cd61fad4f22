package sched

import (
	"sync/atomic"
	"time"
)

// A Clock counts the time in which the process ran, from NewClock on. Time in
// which it stood still, stopped or on a frozen machine, is nobody's fault: no
// peer could be heard. Only an alarm that rings late tells of it, see [Alarms].
//
// Its times are never 0, so that 0 can stand for none.
type Clock struct {
	start time.Time
	lost  atomic.Int64
}

// NewClock starts a clock.
func NewClock() *Clock { return &Clock{start: time.Now()} }

// Now is the time on the clock.
func (c *Clock) Now() time.Duration {
	return time.Since(c.start) + 1 - time.Duration(c.lost.Load())
}

const (
	// lateness is what a busy machine makes of an alarm. More is a standstill.
	lateness = 100 * time.Millisecond

	// recovery is how long after a standstill, at the most, what has come
	// meanwhile may take to be read before the next alarm rings.
	recovery = time.Second
)

// late takes a standstill out of the clock, and as much time again for what has
// come meanwhile to be read. It reports whether there was one.
func (c *Clock) late(by time.Duration) bool {
	if by < lateness {
		return false
	}
	c.lost.Add(int64(by + min(by, recovery)))
	return true
}
