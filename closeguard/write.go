package closeguard

import (
	"errors"
	"net"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// writeSlow is the library's Write where it can't take the direction's lock at once.
func (l *link) writeSlow(p []byte) (int, error) {
	if o := l.lockAnswering(); o != nil {
		return o.writeUnlocking(p)
	}
	return l.writeLocked(p, false)
}

// lockAnswering takes mu and the direction's lock and returns the opening handshake, if
// that is all that a Write can be about; else it takes none and returns nil.
func (l *link) lockAnswering() *opening {
	l.mu.Lock()
	if l.phase == phaseHTTP && l.role == Server && !l.out.Locked() {
		l.out.LockNow()
		return l.opening
	}
	l.mu.Unlock()
	return nil
}

// writeFast is the library's Write with the direction's lock and without mu. Data passes
// as it is, in one piece; only where a Close begins is anything looked at or changed. What
// is rarely needed is in functions of its own: a stack that has doubled for it would stay
// as large.
func (l *link) writeFast(p []byte) (n int, err error) {
	before := l.out.scan
	if l.out.scan.Data(p) != len(p) {
		l.out.scan = before
		return l.writeLocked(p, true)
	}
	returned := false
	defer func() {
		if !returned {
			l.fastWritePanicked()
		}
	}()
	if beginsFrame(p) && l.guard.joints.hold(l, p, before, 4) {
		n = len(p)
	} else {
		n, err = l.guard.joints.writer(l).Write(p)
	}
	returned = true
	if n == len(p) && err == nil && l.out.UnlockFast(0) {
		return n, nil
	}
	return l.endFastWrite(p, before, n, err)
}

// endFastWrite ends a Write that was not to be ended without mu.
func (l *link) endFastWrite(p []byte, before wire.Scanner, n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.endWriteYielding()
	n, err = counted(n, len(p), err)
	return l.wroteData(p, before, n, err)
}

// fastWritePanicked ends a Write in which the transport panicked, or ended the
// goroutine; that goes on.
func (l *link) fastWritePanicked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writePanicked()
	l.out.Unlock()
	l.schedule()
}

// writePanicked takes note that nobody knows how much of a Write has left.
func (l *link) writePanicked() {
	failed := closing.Reason{Cause: cause.Transport, Err: errTransportPanic}
	l.on(closing.WireBroken{})
	l.on(closing.Wrote{Reason: failed})
	l.on(closing.WriteFailed{Reason: failed})
}

// writeLocked is write with mu.
func (l *link) writeLocked(p []byte, locked bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !locked {
		// It need not wait for its turn if it fails, or comes after a Close of the
		// guard's that is on its way.
		unwritable := func() bool { return l.phase == phaseOpen && (l.machine().GuardSends() || l.writeGate() != nil) }
		if !l.out.Lock(&l.mu, unwritable) {
			n, err := l.writeFramesYielding(p)
			if err == nil && l.end != nil && l.out.scan.Opcode() == wire.Close {
				// Where a Write of a Close has returned, a Close has left, as bare, if
				// that takes but a moment.
				l.end.ours.awaitYielding(patience)
			}
			return n, err
		}
	}
	defer l.endWriteYielding()
	if locked && l.app.Closed {
		l.cutFrame(nil) // the close came just now
	}
	switch {
	case l.phase == phaseHTTP && l.role == Server:
		n, err := l.opening.writeYielding(p)
		if err != nil || n == len(p) {
			return n, err
		}
		m, err := l.writeFramesYielding(p[n:])
		return n + m, err
	case l.phase != phaseOpen:
		if l.phase == phaseHTTP {
			l.opening.asks(p)
		}
		return l.passYielding(p)
	}
	return l.writeFramesYielding(p)
}

// endWriteYielding ends a Write of the library's.
func (l *link) endWriteYielding() {
	if l.ended.final() {
		l.guard.joints.drop(l)
	}
	l.out.Unlock()
	if l.end != nil && l.phase == phaseOpen {
		l.on(closing.Called{})
		l.runYielding()
	}
	l.enableFast()
}

// writeFramesYielding takes what the library writes behind the opening handshake.
func (l *link) writeFramesYielding(p []byte) (int, error) {
	m := l.machine()
	if m.Edge() == closing.Owed && m.Stage() < closing.Ending {
		return l.writeOwedYielding(p)
	}
	if err := l.refuse(p); err != nil {
		return 0, err
	}
	if m.TakesNoMore() {
		return l.afterClose(p)
	}
	ahead := 0
	if l.end == nil || l.end.held == nil {
		before := l.out.scan
		k, data := l.out.passable(p, l.machine().Out() == closing.Pending)
		if data {
			l.life.sawData()
		}
		if k == len(p) && l.end == nil && l.traffic() == nil && beginsFrame(p) && l.guard.joints.hold(l, p, before, 6) {
			return k, nil // where traffic is counted, a piece counts when it has left
		}
		if k > 0 || len(p) == 0 {
			n, err := l.passYielding(p[:k])
			n, err = l.wroteData(p[:k], before, n, err)
			if err != nil || k == len(p) {
				return n, err
			}
		}
		if l.machine().Out() == closing.Pending {
			// Ours leaves at this boundary; what follows comes too late.
			l.on(closing.AtBoundary{})
			m, err := l.afterClose(p[k:])
			return k + m, err
		}
		ahead = k
	}
	n, err := l.writeCloseYielding(p[ahead:])
	return ahead + n, err
}

// refuse is the error of a Write of p, which a library that has closed may still begin if
// it is how the program says what to close with.
func (l *link) refuse(p []byte) error {
	err := l.writeGate()
	if err == nil && l.app.Closed && !l.machine().TakesNoMore() && !l.beginsWord(p) {
		err = l.raw.errClosed("write")
	}
	return err
}

// writeGate is the error of a Write on a connection that is written no more.
func (l *link) writeGate() error {
	m := l.machine()
	switch {
	case l.app.Closed && !l.end.awaitsWord():
		return l.raw.errClosed("write")
	case m == nil:
		return nil
	case m.Limit() != cause.None:
		return &limitError{sentinel(m.Limit())}
	case m.Stage() < closing.Ending:
		return nil
	}
	switch r := m.Record(); {
	case r.Sent != nil:
		return nil
	case r.Down != nil && !r.Aborted && !isEOF(r.Down):
		return r.Down // the guard has closed what had ended
	default:
		return l.raw.errClosed("write")
	}
}

// passYielding hands bytes to the transport.
func (l *link) passYielding(p []byte) (int, error) {
	counts := l.traffic() // nil while this is the opening handshake's
	for n := 0; ; {
		l.life.writes()
		piece := p[n:][:l.life.piece(len(p)-n)]
		took, err := l.transportWriteYielding(piece)
		l.life.wrote()
		counts.sent(piece[:took], l.out.scan.Claimed)
		if took == 0 && err == nil && len(piece) > 0 {
			err = errNothingWritten
		}
		if n += took; err != nil || n == len(p) {
			return n, err
		}
	}
}

// transportWriteYielding is a Write of the transport's. It gives mu up as yield
// does, but without a function between: on the way to an idle connection the stack
// is deepest here, and doubles for one that is a little deeper.
func (l *link) transportWriteYielding(p []byte) (n int, err error) {
	returned := false
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		if !returned {
			l.life.wrote()
			l.writePanicked()
		}
	}()
	n, err = l.guard.joints.writer(l).Write(p)
	returned = true
	return counted(n, len(p), err)
}

// wroteData takes note that n bytes of p have left, and returns what the library
// shall see; before is where the scanner stood. Our side of the wire is where the
// kernel took the last byte.
func (l *link) wroteData(p []byte, before wire.Scanner, n int, err error) (int, error) {
	if n < len(p) {
		l.out.scan = before
		advance(&l.out.scan, p[:n])
	}
	if n > 0 {
		l.life.saw(l.out.scan.Opcode()) // it may have taken long
	}
	switch {
	case err != nil && l.phase == phaseOpen:
		if err = l.writeFailed(p[n:], err); err == nil {
			n = len(p) // the guard writes the rest
		}
	case l.app.Closed:
		l.cutFrame(nil) // the close came while p was with the transport
	}
	return n, err
}

// writeFailed sorts an error of the transport's Write; rest is what didn't leave.
// The library sees no error if it is to go on with the frame that it is in.
func (l *link) writeFailed(rest []byte, err error) error {
	m := l.machine()
	switch {
	case ranOut(err):
		return l.writeRanOut(rest, err)
	case m.Stage() >= closing.Ending || errors.Is(err, net.ErrClosed) && m.Limit() != cause.None:
		// It is the guard that ended TCP.
		if gate := l.writeGate(); gate != nil {
			return gate
		}
	case errors.Is(err, net.ErrClosed):
		l.on(closing.TransportClosed{Reason: closing.Reason{Cause: cause.Transport, Err: err}})
	default:
		l.on(closing.WriteFailed{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
	}
	return err
}

// writeRanOut takes a Write that a deadline has cut.
func (l *link) writeRanOut(rest []byte, err error) error {
	if !l.resumable {
		l.on(closing.WireBroken{})
	}
	switch m := l.machine(); {
	case m.Limit() != cause.None:
		return &limitError{sentinel(m.Limit())}
	case l.app.Closed:
		if l.cutFrame(rest); l.machine().Edge() == closing.Owed {
			return nil
		}
		return l.raw.errClosed("write")
	}
	l.on(closing.RanOut{Reason: closing.Reason{Cause: cause.WriteTimeout, Err: err}})
	l.guard.joints.noteLate(l)
	return err
}
