package closeguard

import (
	"math/rand/v2"
	"time"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// lifetime is what an open connection needs if Options limit lifetimes: it says
// when the next thing is due. All connections share the guard's alarms.
type lifetime struct {
	expires       instant   // by MaxAge, 0: never
	data          instant   // when part of a data frame went last, either way
	tried         instant   // when a ping was due last
	pinged        instant   // when the ping left that is not answered, 0: there is none
	pinging       bool      // one is being written
	pingBy        time.Time // its own deadline
	writing       instant   // since when a Write has been under way, 0: none is
	writeDeadline time.Time // the library's, to be put back after a ping
}

// newLife is nil if the options limit nothing.
func (g *Guard) newLife(opened instant) *lifetime {
	o := &g.opts
	if o.PingInterval == 0 && o.IdleTimeout == 0 && o.MaxAge == 0 && o.WriteStall == 0 {
		return nil
	}
	f := &lifetime{data: opened}
	if o.MaxAge > 0 {
		spread := o.MaxAgeJitter * (2*rand.Float64() - 1)
		f.expires = opened + o.MaxAge + instant(spread*float64(o.MaxAge))
	}
	return f
}

// saw takes note of a piece of a frame, in either direction.
func (f *lifetime) saw(op wire.Opcode, g *Guard) {
	if f != nil && !op.Control() && g.opts.IdleTimeout > 0 {
		f.data = g.now()
	}
}

// writes takes note that a Write begins, wrote that it has returned.
func (f *lifetime) writes(l *link) {
	if f != nil && l.guard.opts.WriteStall > 0 {
		f.writing = l.guard.now()
		l.schedule()
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

// next is what is due first and why. The cause nil is a ping.
func (f *lifetime) next(l *link) (due instant, cause error) {
	o := &l.guard.opts
	earlier := func(at instant, why error) {
		if due == 0 || at < due {
			due, cause = at, why
		}
	}
	if f.expires != 0 {
		earlier(f.expires, ErrMaxAge)
	}
	if o.IdleTimeout > 0 {
		earlier(f.data+o.IdleTimeout, ErrIdleTimeout)
	}
	if o.WriteStall > 0 && f.writing != 0 {
		earlier(f.writing+o.WriteStall, ErrWriteStall)
	}
	if o.PingInterval > 0 {
		if f.pinged > l.lastByte() {
			earlier(f.pinged+o.PingTimeout, ErrPingTimeout)
		} else {
			earlier(max(l.lastByte(), f.pinged, f.tried)+o.PingInterval, nil)
		}
	}
	return due, cause
}

// tickOpen does what is due on an open connection.
func (l *link) tickOpen(now instant) {
	due, cause := l.life.next(l)
	switch {
	case now < due:
	case cause == nil:
		l.life.tried = now
		if l.resumable {
			l.guard.writers.Do(l.ping)
		} else {
			go l.ping() // it may block
		}
	case cause == ErrPingTimeout && !l.in.Locked(): //nolint:errorlint // next gives this very value
		// What the peer sent is still unread: nothing can be told until the
		// library reads again.
		l.life.tried, l.life.pinged = now, 0
	default:
		info := l.info()
		l.mu.Unlock()
		f := l.guard.frameFor(info, cause)
		l.mu.Lock()
		l.request(f, cause)
		l.settle()
	}
}

// ping sends a ping of the guard's if the wire is between two frames and nobody
// writes. Otherwise there will be another time: where the library writes, the
// peer's bytes or WriteStall decide.
func (l *link) ping() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out.Locked() || !l.outScan.Between() || len(l.tail) > 0 || l.broken || l.own != nil || !l.hs.open() || l.ending {
		return
	}
	f := l.life
	l.out.LockNow()
	f.pinging = true
	f.pingBy = time.Time{}
	if l.resumable {
		f.pingBy = time.Now().Add(patience) // a full buffer must not keep the library waiting
	}
	l.raw.SetWriteDeadline(f.pingBy) //nolint:errcheck // Write tells
	frame, began := l.frame(wire.Ping, nil), l.guard.now()
	n, err := l.pass(frame)
	if n > 0 && ranOut(err) && !l.closed {
		// The rest has to leave before anything else.
		f.pingBy = time.Time{}
		l.raw.SetWriteDeadline(f.pingBy) //nolint:errcheck // as above
		_, err = l.pass(frame[n:])
	}
	l.raw.SetWriteDeadline(f.writeDeadline) //nolint:errcheck // as the library had it
	f.pinging = false
	switch {
	case err == nil:
		f.pinged = began // the pong may have come before Write has returned
	case n > 0, ranOut(err) && !l.resumable:
		l.needClosing().broken = true
	case !ranOut(err) && !l.ending:
		l.handshake().sawEnd(err)
	}
	l.out.Unlock()
	l.settle()
	l.schedule()
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
