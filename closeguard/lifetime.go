package closeguard

import (
	"math/rand/v2"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// lifetime is what an open connection needs if Options limit lifetimes: it says
// when the next thing is due, pings, and closes the connection at a limit. All
// connections share the guard's alarms. A nil lifetime limits nothing.
type lifetime struct {
	link          *link
	expires       instant   // by MaxAge, 0: never
	expired       bool      // a limit was reached
	pinging       bool      // a ping is being written
	data          instant   // when part of a data frame went last, either way
	tried         instant   // when a ping was due last
	pinged        instant   // when the ping left that is not answered, 0: there is none
	stuck         instant   // since when a ping that is due can't leave, 0: it could
	pingBy        time.Time // the ping's own deadline
	writing       instant   // since when a Write has been under way, 0: none is
	writeDeadline time.Time // the library's, to be put back after a ping
}

// newLifetime is nil if the options limit nothing.
func newLifetime(l *link) *lifetime {
	o := &l.guard.opts
	if o.PingInterval == 0 && o.IdleTimeout == 0 && o.MaxAge == 0 && o.WriteStall == 0 {
		return nil
	}
	f := &lifetime{link: l, data: l.out.opened()}
	if o.MaxAge > 0 {
		spread := o.MaxAgeJitter * (2*rand.Float64() - 1)
		f.expires = l.out.opened() + o.MaxAge + instant(spread*float64(o.MaxAge))
	}
	return f
}

// saw takes note of a piece of a frame, in either direction.
func (f *lifetime) saw(op wire.Opcode) {
	if !op.Control() {
		f.sawData()
	}
}

func (f *lifetime) sawData() {
	if f != nil && f.link.guard.opts.IdleTimeout > 0 {
		f.data = f.link.guard.now()
	}
}

// writes takes note that a Write begins, wrote that it has returned.
func (f *lifetime) writes() {
	if f != nil && f.link.guard.opts.WriteStall > 0 {
		f.writing = f.link.guard.now()
		f.link.schedule()
	}
}

// piece is how many of n bytes to write at once: what a slow peer takes in
// pieces is no stall.
func (f *lifetime) piece(n int) int {
	if f != nil && f.writing != 0 {
		return min(n, 64<<10)
	}
	return n
}

func (f *lifetime) wrote() {
	if f != nil {
		f.writing = 0
	}
}

// next is what is due first and why; None is a ping. After the peer's Close or
// the end of TCP only what limits the connection itself holds on, and our own
// Close has limits of its own.
func (f *lifetime) next() (due instant, why cause.Cause) {
	if f == nil || f.expired || f.link.phase != phaseOpen {
		return 0, cause.None
	}
	m := f.link.machine()
	if m.Stage() >= closing.Ending || m.Since() != 0 {
		return 0, cause.None
	}
	o, heard := &f.link.guard.opts, f.link.in.LastActive()
	earlier := func(at instant, of cause.Cause) {
		if due == 0 || at < due {
			due, why = at, of
		}
	}
	if f.expires != 0 {
		earlier(f.expires, cause.MaxAge)
	}
	if o.WriteStall > 0 && f.writing != 0 {
		earlier(f.writing+o.WriteStall, cause.WriteStall)
	}
	if r := m.Record(); !r.Open() {
		return due, why
	}
	if o.IdleTimeout > 0 {
		earlier(f.data+o.IdleTimeout, cause.IdleTimeout)
	}
	if o.PingInterval > 0 {
		if f.pinged > heard {
			earlier(f.pinged+o.PingTimeout, cause.PingTimeout)
		} else {
			earlier(max(heard, f.pinged, f.tried)+o.PingInterval, cause.None)
			if f.stuck > heard {
				earlier(f.stuck+o.PingTimeout, cause.PingTimeout)
			}
		}
	}
	return due, why
}

// tick does what is due.
func (f *lifetime) tick() {
	due, why := f.next()
	if due == 0 {
		return
	}
	l, now := f.link, f.link.guard.now()
	switch {
	case now < due:
	case why == cause.None:
		f.tried = now
		if l.resumable {
			l.guard.writers.Do(f.ping)
		} else {
			l.guard.blockers.Do(f.ping) // it may block
		}
	case f.unread(why):
		// Nothing can be told of the peer until the library reads again.
		f.tried, f.pinged, f.stuck, f.data = now, 0, 0, now
	default:
		f.expired = true
		l.guard.callers.Do(func() { f.expire(why) })
	}
}

// unread reports whether the peer's silence may be the library's, which doesn't
// read. Where the system doesn't tell what lies unread, a pong may.
func (f *lifetime) unread(why cause.Cause) bool {
	if f.link.in.Locked() || why != cause.PingTimeout && why != cause.IdleTimeout {
		return false
	}
	n, known := unreadBytes(f.link.raw.Conn)
	n += f.link.in.ahead.left()
	return n > 0 || !known && why == cause.PingTimeout
}

// expire closes the connection at a limit. Where TCP has ended, no Close can leave
// any more.
func (f *lifetime) expire(why cause.Cause) {
	l := f.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.machine().Record(); r.Down != nil {
		l.on(closing.Told{Reason: closing.Reason{Cause: why}})
		l.on(closing.Forget{})
		l.run()
		return
	}
	info := l.info()
	var frame CloseFrame
	l.yield(func() { frame = l.guard.frameFor(info, sentinel(why)) })
	l.on(closing.Ask{Frame: frame.inside(), Reason: closing.Reason{Cause: why}})
	l.run()
}

// ping sends a ping of the guard's if the wire is between two frames and nobody
// writes. Otherwise there will be another time; but where the transport takes
// nothing, a ping that can't leave counts as one that isn't answered.
func (f *lifetime) ping() {
	l := f.link
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.machine()
	if r := m.Record(); !r.Open() || m.Stage() >= closing.Ending || m.Busy() || m.HalfClosed() {
		return
	}
	if l.out.Locked() {
		f.isStuck()
		return
	}
	if !l.out.scan.Between() || m.CloseCut() || m.Edge() != closing.Boundary {
		return
	}
	l.out.LockNow()
	defer f.pingOver() // also if the transport breaks off
	began := l.guard.now()
	err := f.writePingYielding()
	switch {
	case err == nil:
		f.pinged, f.stuck = began, 0 // the pong may have come before the ping's Write has returned
	case ranOut(err):
		f.isStuck()
	case l.machine().Stage() < closing.Ending:
		l.on(closing.WriteFailed{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
		if n, known := unreadBytes(l.raw.Conn); known && n == 0 && !l.in.Locked() {
			l.on(closing.Forget{}) // nothing can come of it any more
		}
	}
}

// pingOver gives back what the Write of a ping took.
func (f *lifetime) pingOver() {
	l := f.link
	f.pinging = false
	l.writeBy(f.writeDeadline) // as the library had it
	l.out.Unlock()
	l.run()
	l.schedule()
}

// isStuck takes note of a ping that the transport doesn't take.
func (f *lifetime) isStuck() {
	if f.stuck <= f.link.in.LastActive() {
		f.stuck = f.link.guard.now()
	}
	f.link.schedule()
}

// writePingYielding writes a ping, with the direction's lock. A full buffer must
// not keep the library waiting; but what has begun has to be finished.
func (f *lifetime) writePingYielding() error {
	l := f.link
	f.pinging, f.pingBy = true, time.Time{}
	if l.resumable {
		f.pingBy = time.Now().Add(patience)
	}
	l.writeBy(f.pingBy)
	frame := l.out.frame(wire.Ping, nil)
	n, err := l.passYielding(frame)
	if n > 0 && err != nil && ranOut(err) && !l.app.Closed {
		f.pingBy = time.Time{}
		l.writeBy(f.pingBy)
		_, err = l.passYielding(frame[n:])
	}
	if err != nil && (n > 0 || ranOut(err) && !l.resumable) {
		l.on(closing.WireBroken{})
	}
	return err
}

// setWriteDeadline is the library's. It counts for a ping of the guard's that
// is under way, too, as the library's Write may wait for it.
func (f *lifetime) setWriteDeadline(t time.Time) (at time.Time) {
	f.writeDeadline = t
	if f.pinging && !f.pingBy.IsZero() && (t.IsZero() || f.pingBy.Before(t)) {
		return f.pingBy
	}
	return t
}
