package closeguard

import (
	"sync"
	"time"
)

// alarms wakes connections when something is due: all of a guard's with one
// timer. Setting one costs the logarithm of how many are set. Taking it back
// costs less: its entry stays, void, until it is due or most entries are void.
type alarms struct {
	now func() instant

	mu    sync.Mutex
	queue alarmQueue
	void  int // entries of the queue
	timer *time.Timer
	armed instant // when the timer fires, 0: it doesn't
}

// set makes l.tick be called at due, and not at what was set before; 0 takes
// it back. The caller has l.mu.
func (a *alarms) set(l *link, due instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l.alarm != 0 {
		a.queue[l.alarm-1].link = nil
		l.alarm = 0
		a.void++
	}
	if due != 0 {
		a.queue.push(alarm{due, l})
	}
	if a.void > len(a.queue)/2 {
		a.queue.compact()
		a.void = 0
	}
	a.arm()
}

// arm sets the timer for the first alarm. One that was taken back leaves the
// timer as it is: to fire for nothing costs less.
func (a *alarms) arm() {
	if len(a.queue) == 0 {
		return
	}
	first := a.queue[0].due
	if a.armed != 0 && a.armed <= first {
		return
	}
	a.armed = first
	if d := first - a.now(); a.timer == nil {
		a.timer = time.AfterFunc(d, a.ring)
	} else {
		a.timer.Reset(d)
	}
}

// ring wakes all that are due.
func (a *alarms) ring() {
	a.mu.Lock()
	now := a.now()
	var due []*link
	for len(a.queue) > 0 && a.queue[0].due <= now {
		if l := a.queue.pop().link; l != nil {
			l.alarm = 0
			due = append(due, l)
		} else {
			a.void--
		}
	}
	a.armed = 0
	a.arm()
	a.mu.Unlock()
	for _, l := range due {
		l.tick()
	}
}

// alarm is an entry of the queue. Its link is nil if it was taken back.
type alarm struct {
	due  instant
	link *link
}

// alarmQueue is a binary heap by due. A link's alarm field is the place of its
// entry, from 1 on.
type alarmQueue []alarm

func (q *alarmQueue) push(e alarm) {
	*q = append(*q, e)
	q.up(len(*q) - 1)
}

// pop takes the first entry out.
func (q *alarmQueue) pop() alarm {
	first, last := (*q)[0], len(*q)-1
	(*q)[0], (*q)[last] = (*q)[last], alarm{}
	if *q = (*q)[:last]; last > 0 {
		q.down(0)
	}
	return first
}

// compact drops the void entries.
func (q *alarmQueue) compact() {
	all := *q
	*q = all[:0]
	for _, e := range all {
		if e.link != nil {
			*q = append(*q, e)
		}
	}
	clear(all[len(*q):])
	for i := len(*q) - 1; i >= 0; i-- {
		q.down(i)
	}
}

func (q alarmQueue) put(e alarm, at int) {
	q[at] = e
	if e.link != nil {
		e.link.alarm = int32(at + 1) //nolint:gosec // as many as connections
	}
}

// up moves the entry at i to the front until it stands behind no later one.
func (q alarmQueue) up(i int) {
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
func (q alarmQueue) down(i int) {
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
