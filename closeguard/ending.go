package closeguard

import (
	"context"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// ending is what a connection needs from the moment that something points to
// its end.
type ending struct {
	closing.Machine

	theirs wire.Collector     // the payload of the peer's Close
	fault  *closing.Violation // of the frame that comes; nil: it isn't the first with one
	held   *heldClose         // what has come of the library's Close; nil: none has begun
	hold   heldClose          // what held points to

	ours   ownClose
	rounds []*round        // that closed it together with others
	ctx    context.Context // for the observers, from when the Conn is not needed any more

	linger lingerer // reads when the library doesn't

	counted bool // as closing, in the guard's Stats

	word  instant // until when the program may say how to close, after a context made the library close; 0: no more
	sent  flow    // at the last look
	acked instant // when the peer was seen to acknowledge some of it
}

// flow is what has become of the bytes that we sent.
type flow struct {
	unacked int    // how many the peer's kernel has not acknowledged
	acked   uint64 // how many it has in all; 0: nobody knows
}

// backlog is how much the peer may have to acknowledge at our Close before that
// counts as a download that goes on.
const backlog = 4096

// lookAtAcks takes note of a peer that still takes what lay before our Close: that
// is a sign of life, as its bytes are.
func (e *ending) lookAtAcks(raw transport, now instant) {
	if f, known := outflow(raw.Conn); known {
		if e.sent.unacked > backlog && (f.acked > e.sent.acked || f.unacked < e.sent.unacked) {
			e.acked = now
		}
		e.sent = f
	}
}

// closedForContextYielding reports whether the library has closed because a context has
// ended, and not because the program wants to be rid of the connection. If the
// context's cause chooses a Close, that is sent; else the program is given a moment to
// close as it likes.
func (e *ending) closedForContextYielding() bool {
	l, r := e.ours.link, e.Record()
	l.noteCanceled(l.conn.Value().canceled())
	if r.TimedOut.Cause != cause.Context || !r.Open() || !e.MayBegin() {
		return false
	}
	if chosen := chosenBy(r.TimedOut.Err); chosen != nil {
		l.on(closing.Told{Reason: closing.Reason{Cause: cause.None, Err: r.TimedOut.Err}})
		l.on(closing.Ask{Frame: chosen.frame.inside()})
		l.finishCloseYielding()
		return true
	}
	e.word = l.guard.now() + closing.LastWait
	e.noteBegin()
	l.wakeServed()
	l.schedule()
	return true
}

// awaitsWord reports whether the program may still say how to close.
func (e *ending) awaitsWord() bool { return e != nil && e.word != 0 && e.MayBegin() }

// lookAtWord ends the connection of a program that said nothing.
func (e *ending) lookAtWord(now instant) {
	if !e.awaitsWord() || now < e.word {
		return
	}
	e.word = now + closing.LastWait
	l := e.ours.link
	l.guard.callers.Do(func() {
		defer l.survive()
		l.close(cause.None) //nolint:errcheck // nobody is there to be told
	})
}

// machine is the closing handshake, to be asked.
func (l *link) machine() *closing.Machine {
	if l.end == nil {
		return nil
	}
	return &l.end.Machine
}

// needEnding is what the connection needs for its end, to be written.
func (l *link) needEnding() *ending {
	if l.end == nil {
		l.disableFast()
		l.end = new(ending)
		l.end.Open(closing.Role(l.role), &l.guard.limits)
		l.end.ours.link, l.end.linger.link = l, l
	}
	return l.end
}

// noteBegin counts the connection as closing once something points to the end.
func (e *ending) noteBegin() {
	if l := e.ours.link; !e.counted && (e.Stage() > closing.Open || e.word != 0) && l.number != 0 && !l.ended.final() {
		e.counted = true
		l.guard.begun()
	}
}

// noteEnd wakes who waits for our Close if that is out, and does once what is due when
// TCP is closed.
func (l *link) noteEnd() {
	e := l.end
	e.ours.wake()
	if e.Stage() < closing.Ended || l.ended.final() {
		return
	}
	l.ended.grow(final)
	if !l.out.Locked() {
		l.guard.joints.drop(l)
	}
	if !l.in.Locked() {
		l.in.ahead.drop()
	}
	l.guard.lingerers.remove(&e.linger)
	for _, r := range e.rounds {
		r.ended(l)
	}
	l.guard.ended(l)
	l.audience.ended()
	e.keepContext()
}

// keepContext keeps the request's context for the observers: the Conn may be collected
// before they are told of the end. Behind that nothing of the guard's keeps it.
func (e *ending) keepContext() {
	l := e.ours.link
	if c := l.conn.Value(); c != nil && e.Stage() < closing.Reported {
		e.ctx = c.ctx
	}
}
