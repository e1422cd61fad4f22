package sched

import (
	"sync"
	"time"
)

// Alarms wakes sleepers when something is due, all with one timer. Setting an
// alarm costs the logarithm of how many are set. Taking it back costs less: its
// entry stays, void, until it is due or most entries are void.
//
// An alarm that rings too late tells that the process stood still, stopped or on a
// frozen machine. That is nobody's fault: what has come meanwhile lies unread. So
// all alarms wait for a moment then, in which it is read.
type Alarms[S Sleeper] struct {
	clock *Clock

	mu    sync.Mutex
	queue queue[S]
	void  int // entries of the queue
	timer *time.Timer
	armed time.Duration // when the timer fires, 0: it doesn't
	since time.Duration // not before this can it fire: what is due already is not late
	hold  time.Duration // not before this may an alarm ring, after a standstill
}

const (
	// lateness is what a busy machine makes of an alarm. More is a standstill.
	lateness = 100 * time.Millisecond

	// recovery is how long all alarms wait at the most.
	recovery = time.Second
)

// A Sleeper is woken by an alarm.
type Sleeper interface {
	comparable

	// Wake is called when the alarm rings. Others wait meanwhile: it must not
	// block, and it must return.
	Wake()

	// Place is where the queue keeps the place of the sleeper's alarm, from 1
	// on. It belongs to the queue; 0, as it is at first: there is no alarm.
	Place() *int32
}

// NewAlarms makes a queue without alarms.
func NewAlarms[S Sleeper](clock *Clock) *Alarms[S] { return &Alarms[S]{clock: clock} }

// Set makes the sleeper wake at due, and not at what was set before; 0 takes it
// back. One sleeper's alarm is set by one goroutine at a time.
func (a *Alarms[S]) Set(s S, due time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(s, due)
}

// Advance is Set, unless the sleeper wakes no later than due already.
func (a *Alarms[S]) Advance(s S, due time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if place := *s.Place(); place == 0 || due < a.queue[place-1].due {
		a.set(s, due)
	}
}

func (a *Alarms[S]) set(s S, due time.Duration) {
	if place := s.Place(); *place != 0 {
		var none S
		a.queue[*place-1].sleeper = none
		*place = 0
		a.void++
	}
	if due != 0 {
		a.queue.push(alarm[S]{due, s})
	}
	if a.void > len(a.queue)/2 {
		a.queue.compact()
		a.void = 0
	}
	a.arm()
}

// Next is when the timer fires, 0 if it doesn't, and how many alarms are set.
func (a *Alarms[S]) Next() (fires time.Duration, set int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.armed, len(a.queue) - a.void
}

// arm sets the timer for the first alarm. One that was taken back leaves the
// timer as it is: to fire for nothing costs less.
func (a *Alarms[S]) arm() {
	if len(a.queue) == 0 {
		return
	}
	first := max(a.queue[0].due, a.hold)
	if a.armed != 0 && a.armed <= first {
		return
	}
	now := a.clock.Now()
	a.armed, a.since = first, max(first, now)
	if d := first - now; a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
	} else {
		a.timer.Reset(d)
	}
}

// ring wakes all that are due.
func (a *Alarms[S]) ring() {
	for _, s := range a.due() {
		s.Wake()
	}
}

// due takes those that are due out of the queue.
func (a *Alarms[S]) due() (due []S) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.clock.Now()
	if late := now - a.since; a.armed != 0 && late >= lateness {
		a.hold = now + min(late, recovery)
	}
	var none S
	for now >= a.hold && len(a.queue) > 0 && a.queue[0].due <= now {
		if s := a.queue.pop().sleeper; s != none {
			*s.Place() = 0
			due = append(due, s)
		} else {
			a.void--
		}
	}
	a.armed = 0
	a.arm()
	return due
}

// alarm is an entry of the queue. Its sleeper is zero if it was taken back.
type alarm[S Sleeper] struct {
	due     time.Duration
	sleeper S
}

// queue is a binary heap by due.
type queue[S Sleeper] []alarm[S]

func (q *queue[S]) push(e alarm[S]) {
	*q = append(*q, e)
	q.up(len(*q) - 1)
}

// pop takes the first entry out.
func (q *queue[S]) pop() alarm[S] {
	first, last := (*q)[0], len(*q)-1
	(*q)[0], (*q)[last] = (*q)[last], alarm[S]{}
	if *q = (*q)[:last]; last > 0 {
		q.down(0)
	}
	return first
}

// compact drops the void entries.
func (q *queue[S]) compact() {
	var none S
	all := *q
	*q = all[:0]
	for _, e := range all {
		if e.sleeper != none {
			*q = append(*q, e)
		}
	}
	clear(all[len(*q):])
	for i := len(*q) - 1; i >= 0; i-- {
		q.down(i)
	}
}

func (q queue[S]) put(e alarm[S], at int) {
	var none S
	q[at] = e
	if e.sleeper != none {
		*e.sleeper.Place() = int32(at + 1) // as many as connections
	}
}

// up moves the entry at i to the front until it stands behind no later one.
func (q queue[S]) up(i int) {
	e := q[i]
	for i > 0 {
		above := (i - 1) / 2
		if q[above].due <= e.due {
			break
		}
		q.put(q[above], i)
		i = above
	}
	q.put(e, i)
}

// down moves it to the back until it stands before no earlier one.
func (q queue[S]) down(i int) {
	e := q[i]
	for {
		below := 2*i + 1
		if below+1 < len(q) && q[below+1].due < q[below].due {
			below++
		}
		if below >= len(q) || e.due <= q[below].due {
			break
		}
		q.put(q[below], i)
		i = below
	}
	q.put(e, i)
}
