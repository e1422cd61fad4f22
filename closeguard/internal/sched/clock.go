package sched

import "time"

// A Clock counts the time from NewClock on. Its times are never 0, so that 0 can
// stand for none.
type Clock struct{ start time.Time }

// NewClock starts a clock.
func NewClock() *Clock { return &Clock{time.Now()} }

// Now is the time on the clock.
func (c *Clock) Now() time.Duration { return time.Since(c.start) + 1 }

// Time is a time on the clock as others tell it.
func (c *Clock) Time(at time.Duration) time.Time { return c.start.Add(at - 1) }
