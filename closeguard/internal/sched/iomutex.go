package sched

import (
	"sync"
	"sync/atomic"
	"time"
)

// An IOMutex lets one goroutine at a time work in one direction of a connection.
// Unlike a sync.Mutex it may be held over I/O, also in a testing/synctest bubble,
// and whoever waits for it can give up.
//
// It belongs to a sync.Mutex, the connection's own, which all methods need but
// TryLock, UnlockFast and LastActive. While the fast path is enabled, these
// take and give the lock back with an atomic operation each. Once it is disabled
// there is no way around the connection's mutex.
//
// It also keeps the moment at which the work last came to something, because that
// changes whenever the lock is given back.
type IOMutex struct {
	state   atomic.Int64 // locked, fast, and above them the moment that Touch keeps
	waiters *waiters     // nil if nobody waits
}

// waiters are those who wait for the lock, or for a change.
type waiters struct {
	n       int           // for the lock
	changed chan struct{} // closed when there is something to look at, made by whoever waits
}

const (
	locked = 1 << iota
	fast
	moment // a unit of the moment that Touch keeps
)

// TryLock takes the lock on the fast path; not if that takes more than a look.
func (m *IOMutex) TryLock() bool {
	s := m.state.Load()
	return s&(locked|fast) == fast && m.state.CompareAndSwap(s, s|locked)
}

// UnlockFast gives back what TryLock took, and touches it if at isn't 0. If it
// returns false the fast path was disabled meanwhile, and the lock is still held.
func (m *IOMutex) UnlockFast(at time.Duration) bool {
	s := m.state.Load()
	free := s &^ locked
	if at != 0 {
		free = fast | int64(at)*moment
	}
	return s&fast != 0 && m.state.CompareAndSwap(s, free)
}

// EnableFast opens the fast path, unless somebody waits.
func (m *IOMutex) EnableFast() {
	if !m.waitedFor() && m.state.Load()&fast == 0 {
		m.state.Or(fast)
	}
}

// DisableFast closes the fast path. Who is on it finds out at UnlockFast.
func (m *IOMutex) DisableFast() {
	if m.state.Load()&fast != 0 {
		m.state.And(^fast)
	}
}

// Locked reports whether somebody works. If so, that may be over in a moment
// unless the fast path is disabled.
func (m *IOMutex) Locked() bool { return m.state.Load()&locked != 0 }

// LockNow takes a lock that nobody has, with the fast path disabled.
func (m *IOMutex) LockNow() { m.state.Or(locked) }

// Touch keeps when the work last came to something. The fast path is disabled,
// or the caller has the lock.
func (m *IOMutex) Touch(at time.Duration) {
	m.state.Store(m.state.Load()%moment | int64(at)*moment)
}

// LastActive is what Touch and UnlockFast were told last.
func (m *IOMutex) LastActive() time.Duration { return time.Duration(m.state.Load() / moment) }

// Lock waits for the lock, with mu given up meanwhile, and disables the fast
// path. Who waits already comes first, so that one who never pauses keeps nobody
// out. It gives up and returns false when over says that there is nothing to wait
// for any more.
func (m *IOMutex) Lock(mu *sync.Mutex, over func() bool) bool {
	m.DisableFast()
	if m.Locked() || m.waitedFor() {
		m.needWaiters().n++
		won := m.wait(mu, over)
		m.waiters.n--
		if !won {
			m.Broadcast()
			return false
		}
	}
	m.LockNow()
	return true
}

// waitedFor reports whether somebody waits for the lock.
func (m *IOMutex) waitedFor() bool { return m.waiters != nil && m.waiters.n > 0 }

func (m *IOMutex) wait(mu *sync.Mutex, over func() bool) bool {
	for newcomer := true; newcomer || m.Locked(); newcomer = false {
		if over() {
			return false
		}
		changed := m.Changed()
		mu.Unlock()
		<-changed
		mu.Lock()
	}
	return true
}

// Unlock gives the lock back.
func (m *IOMutex) Unlock() {
	m.state.And(^locked)
	m.Broadcast()
}

// Changed is closed at the next Unlock or Broadcast.
func (m *IOMutex) Changed() <-chan struct{} {
	w := m.needWaiters()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

func (m *IOMutex) needWaiters() *waiters {
	if m.waiters == nil {
		m.waiters = new(waiters)
	}
	return m.waiters
}

// Broadcast makes those who wait look whether it is still worth it.
func (m *IOMutex) Broadcast() {
	w := m.waiters
	if w == nil {
		return
	}
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
	if w.n == 0 {
		m.waiters = nil
	}
}
