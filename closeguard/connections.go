package closeguard

import (
	"iter"
	"time"
)

// OpenConn is what is known at one moment of a connection that is open.
type OpenConn struct {
	ConnInfo

	Opened time.Time // when the 101 was seen
	Heard  time.Time // when the peer's last byte came; Opened: none has
	Pinged time.Time // when the guard's ping left after which nothing has come; zero: there is none
	Busy   bool      // see Handle.Busy

	// Closing: something points to the end, as a Close frame or the end of the stream
	// does. End is what is known of it so far, nil if that is too little for an event.
	Closing bool
	End     CloseEvent
}

// Connections returns the guarded connections that are open when the loop begins, in
// any order. Those that [Stats] counts and that aren't guarded are not among them.
//
// Each is looked at when its turn comes, and left out if it has ended by then. Nothing
// is locked while the loop's body runs: it may be slow, may close connections and may
// stop early. A loop costs 8 bytes for each connection, and as much time as it takes
// to look at them: some milliseconds for 18,000.
func (g *Guard) Connections() iter.Seq[OpenConn] {
	return func(yield func(OpenConn) bool) {
		for _, l := range g.all() {
			if c, open := lookAt(l); open && !yield(c) {
				return
			}
		}
	}
}

// lookAt is what is known of a connection now, unless it has ended.
func lookAt(l *link) (c OpenConn, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.final() {
		return c, false
	}
	clock, heard := l.guard.clock, l.in.LastActive()
	c = OpenConn{
		ConnInfo: l.info().clone(),
		Opened:   clock.Time(l.out.opened()),
		Heard:    clock.Time(heard),
		Busy:     l.errand != idle,
		Closing:  l.end != nil && l.end.counted,
		End:      l.event(nil, false),
	}
	if l.life != nil && l.life.pinged > heard {
		c.Pinged = clock.Time(l.life.pinged)
	}
	return c, true
}
