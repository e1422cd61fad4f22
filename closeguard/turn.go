package closeguard

import (
	"sync"
	"sync/atomic"
)

// turn lets one goroutine at a time work in a direction. Unlike a mutex it may
// be held over I/O, also in a testing/synctest bubble.
//
// While nothing points to the connection's end and nobody waits, it is open: one
// enters and leaves with an atomic operation each. All other methods need the
// connection's mu, and once it is shut there is no way around mu.
type turn struct {
	state   atomic.Int64 // turnBusy, turnOpen, and above them the instant that mark keeps
	waiting int32
	free    chan struct{} // closed when there is something to look at, made by whoever waits
}

const (
	turnBusy = 1 << iota // somebody works
	turnOpen
	turnInstant // a unit of the instant that mark keeps
)

// enter takes the turn without mu; not if that takes more than a look.
func (t *turn) enter() bool {
	s := t.state.Load()
	return s&(turnBusy|turnOpen) == turnOpen && t.state.CompareAndSwap(s, s|turnBusy)
}

// leave gives back a turn that was entered, and marks it. If it returns false
// something has happened, and the turn is to be given back with mu.
func (t *turn) leave(at instant) bool {
	s := t.state.Load()
	return s&turnOpen != 0 && t.state.CompareAndSwap(s, turnOpen|int64(at)*turnInstant)
}

// open lets others enter, unless somebody waits.
func (t *turn) open() {
	if t.waiting == 0 && t.state.Load()&turnOpen == 0 {
		t.state.Or(turnOpen)
	}
}

// shut lets nobody enter any more. Who has entered looks around when leaving.
func (t *turn) shut() {
	if t.state.Load()&turnOpen != 0 {
		t.state.And(^turnOpen)
	}
}

// busy reports whether somebody works. That it is so may be over in a moment
// unless the turn is shut.
func (t *turn) busy() bool { return t.state.Load()&turnBusy != 0 }

// seize takes a turn that is shut and not busy.
func (t *turn) seize() { t.state.Or(turnBusy) }

// mark keeps when the work last came to something. The turn is shut, or the
// caller has it.
func (t *turn) mark(at instant) {
	t.state.Store(t.state.Load()%turnInstant | int64(at)*turnInstant)
}

// marked is when the work last came to something.
func (t *turn) marked() instant { return instant(t.state.Load() / turnInstant) }

// take waits for the turn, with mu given up meanwhile, and shuts it. Who waits
// already comes first, so that one who never pauses keeps nobody out. It gives
// up and returns false when over says that there is nothing to wait for any more.
func (t *turn) take(mu *sync.Mutex, over func() bool) bool {
	t.shut()
	if t.busy() || t.waiting > 0 {
		t.waiting++
		won := t.wait(mu, over)
		t.waiting--
		if !won {
			t.stir()
			return false
		}
	}
	t.seize()
	return true
}

func (t *turn) wait(mu *sync.Mutex, over func() bool) bool {
	for newcomer := true; newcomer || t.busy(); newcomer = false {
		if over() {
			return false
		}
		if t.free == nil {
			t.free = make(chan struct{})
		}
		free := t.free
		mu.Unlock()
		<-free
		mu.Lock()
	}
	return true
}

// give ends the turn.
func (t *turn) give() {
	t.state.And(^turnBusy)
	t.stir()
}

// stir makes those who wait for the turn look whether it is still worth it.
func (t *turn) stir() {
	if t.free != nil {
		close(t.free)
		t.free = nil
	}
}
