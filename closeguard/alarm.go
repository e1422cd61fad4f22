package closeguard

import (
	"container/heap"
	"sync"
	"time"
)

// alarms wakes connections when something is due: all of a guard's with one
// timer. Setting one costs the logarithm of how many are set.
type alarms struct {
	now func() instant

	mu    sync.Mutex
	queue alarmQueue
	timer *time.Timer
	armed instant // when the timer fires, 0: it doesn't
}

// set makes l.tick be called at due, and not at what was set before; 0 takes
// it back. The caller has l.mu.
func (a *alarms) set(l *link, due instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := l.alarm.place - 1
	l.alarm.due = due
	switch {
	case due == 0 && at >= 0:
		heap.Remove(&a.queue, at)
	case due == 0:
	case at >= 0:
		heap.Fix(&a.queue, at)
	default:
		heap.Push(&a.queue, l)
	}
	a.arm()
}

// arm sets the timer for the first alarm. One that was taken back leaves the
// timer as it is: to fire for nothing costs less.
func (a *alarms) arm() {
	if len(a.queue) == 0 {
		return
	}
	first := a.queue[0].alarm.due
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
	for len(a.queue) > 0 && a.queue[0].alarm.due <= now {
		due = append(due, heap.Pop(&a.queue).(*link))
	}
	a.armed = 0
	a.arm()
	a.mu.Unlock()
	for _, l := range due {
		l.tick()
	}
}

// alarm is a link's own in the queue, guarded by alarms.mu.
type alarm struct {
	due   instant
	place int // in the queue, from 1 on; 0: not in it
}

// alarmQueue is a heap of links by due.
type alarmQueue []*link

func (q alarmQueue) Len() int           { return len(q) }
func (q alarmQueue) Less(i, j int) bool { return q[i].alarm.due < q[j].alarm.due }

func (q alarmQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].alarm.place, q[j].alarm.place = i+1, j+1
}

// Push is heap.Interface's.
func (q *alarmQueue) Push(x any) {
	l := x.(*link)
	*q = append(*q, l)
	l.alarm.place = len(*q)
}

// Pop is heap.Interface's.
func (q *alarmQueue) Pop() any {
	last := len(*q) - 1
	l := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	l.alarm.place = 0
	return l
}
