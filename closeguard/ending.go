package closeguard

import (
	"context"
	"runtime"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// ending is what a connection needs from the moment that something points to
// its end.
type ending struct {
	closing.Machine

	theirs wire.Collector     // the payload of the peer's Close
	fault  *closing.Violation // of the frame that comes; nil: it isn't the first with one
	held   *heldClose         // what has come of the library's Close

	ours   ownClose
	rounds []*round // that closed it together with others
	panic  *PanicError
	ctx    context.Context // for the observers, from when the Conn is not needed any more

	linger lingerer // reads when the library doesn't

	counted bool // as closing, in the guard's Stats

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
		l.end = &ending{Machine: closing.New(closing.Role(l.role), &l.guard.limits), ours: ownClose{link: l}, linger: lingerer{link: l}}
	}
	return l.end
}

// noteBegin counts the connection as closing once something points to the end.
func (e *ending) noteBegin() {
	if l := e.ours.link; !e.counted && e.Stage() > closing.Open && l.number != 0 && !l.ended.Load() {
		e.counted = true
		l.guard.begun()
	}
}

// noteEnd does what is due once when our Close is out, or TCP closed.
func (l *link) noteEnd() {
	e := l.end
	e.ours.wake()
	if e.Stage() < closing.Ended || l.ended.Load() {
		return
	}
	l.ended.Store(true)
	l.guard.lingerers.remove(&e.linger)
	for _, r := range e.rounds {
		r.ended(l)
	}
	l.guard.ended(l)
	l.audience.ended()
	if c := l.conn.Value(); c != nil {
		e.ctx = c.ctx
		runtime.SetFinalizer(c.left, nil) // nothing is left to be done for it
	}
}
