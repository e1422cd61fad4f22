package closeguard

import (
	"net"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

const (
	// patience is how long a Close of the net.Conn waits in the caller for the
	// Close frame to leave; the rest happens in the background.
	patience = 5 * time.Millisecond

	// slice is how long the guard writes or reads for one connection while
	// others wait to be, and leisure if none does.
	slice   = 20 * time.Millisecond
	leisure = 100 * time.Millisecond
)

// ownClose writes our Close when the machine says so. It is handed the lock of the
// direction, and gives it back.
type ownClose struct {
	link *link
	sent chan struct{} // closed when it has left or can't, made by whoever waits
}

// writeYielding writes it in the caller if a moment is enough and what hasn't left
// by then can leave later.
func (o *ownClose) writeYielding(a closing.Action) (waited bool) {
	if !o.link.resumable {
		o.writeLater(a)
		return false
	}
	o.writeForYielding(patience, a)
	return true
}

// writeLater writes it in a goroutine of the guard's, for a slice of time where a
// Write can be gone on with: peers that don't read must not keep the others from
// theirs. Where it can't, the limits end it.
func (o *ownClose) writeLater(a closing.Action) {
	g := o.link.guard
	if !o.link.resumable {
		g.blockers.Do(func() { o.writeSlice(0, a) })
		return
	}
	g.writers.Do(func() {
		d := leisure
		if g.writers.Waiting() {
			d = slice
		}
		o.writeSlice(d, a)
	})
}

func (o *ownClose) writeSlice(d time.Duration, a closing.Action) {
	l := o.link
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.run() // also if the transport breaks off
	o.writeForYielding(d, a)
}

// writeForYielding writes it for as long as d, or if that is 0 as long as the limits
// allow.
func (o *ownClose) writeForYielding(d time.Duration, a closing.Action) {
	l := o.link
	defer l.out.Unlock()
	b := a.Bytes
	if !a.Whole {
		b = append(b, l.out.frame(wire.Close, a.Payload)...)
	}
	if l.end.Stage() >= closing.Ending {
		l.on(closing.Wrote{Reason: closing.Reason{Cause: cause.Transport, Err: net.ErrClosed}, Rest: b})
		return
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	l.writeBy(deadline)
	n, err := l.passYielding(b)
	if err == nil {
		l.on(closing.Wrote{})
		return
	}
	l.on(wroteClose(b[n:], err, l.resumable))
}

// wroteClose says what became of a Write of our Close that failed.
func wroteClose(rest []byte, err error, resumable bool) closing.Wrote {
	late := ranOut(err)
	return closing.Wrote{
		Reason: closing.Reason{Cause: causeOf(err), Err: err},
		Later:  late && resumable,
		Broken: late && !resumable,
		Rest:   rest,
	}
}

// wake wakes whoever waits if it is not on its way any more.
func (o *ownClose) wake() {
	if o.sent != nil && !o.link.end.Busy() {
		close(o.sent)
		o.sent = nil
	}
}

// awaitYielding gives it a moment to leave.
func (o *ownClose) awaitYielding(d time.Duration) {
	l := o.link
	if !l.end.Busy() && l.end.Out() != closing.Unknown {
		return
	}
	if o.sent == nil {
		o.sent = make(chan struct{})
	}
	sent := o.sent
	l.yield(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-sent:
		case <-t.C:
		}
	})
}
