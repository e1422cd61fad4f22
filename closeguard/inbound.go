package closeguard

import (
	"bytes"
	"errors"
	"io"
	"net"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// inbound is the direction from the peer to us. Whoever has its lock needs no mu
// for its scanner.
type inbound struct {
	sched.IOMutex
	scan wire.Scanner
}

// wake ends a Read of the library's that is blocked.
func (in *inbound) wake(raw transport, m *closing.Machine) {
	if in.Locked() && m.Reader() < closing.Queued && m.Stage() < closing.Ending {
		raw.SetReadDeadline(past) //nolint:errcheck // a transport without deadlines can't be woken
	}
	in.Broadcast()
}

// read is the library's Read. What comes is scanned and handed on as it is. As
// in write, what is rarely needed is in functions of its own.
func (l *link) read(p []byte) (int, error) {
	if l.in.TryLock() {
		return l.readFast(p)
	}
	return l.readLocked(p)
}

// readFast is read with the direction's lock and without mu.
func (l *link) readFast(p []byte) (int, error) {
	n, err := l.transportRead(p)
	if before := l.in.scan; err == nil && n > 0 && n <= len(p) {
		if l.in.scan.Data(p[:n]) == n && l.in.UnlockFast(l.guard.now()) {
			return n, nil
		}
		l.in.scan = before
	}
	return l.endRead(p, n, err)
}

// readLocked is read with mu.
func (l *link) readLocked(p []byte) (int, error) {
	if err := l.beginRead(); err != nil {
		return 0, err
	}
	n, err := l.transportRead(p)
	return l.endRead(p, n, err)
}

// transportRead reads with the direction's lock, which it gives back if the
// transport panics.
func (l *link) transportRead(p []byte) (n int, err error) {
	returned := false
	defer func() {
		if !returned {
			l.readPanicked()
		}
	}()
	n, err = l.raw.Read(p)
	returned = true
	return n, err
}

// beginRead takes the direction's lock, or says why a Read can't begin.
func (l *link) beginRead() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	unreadable := func() bool { return l.phase == phaseOpen && l.readGate() != nil } // it need not wait for its turn
	if !l.in.Lock(&l.mu, unreadable) {
		return l.readGate()
	}
	if l.phase != phaseOpen || l.end == nil && !l.app.Closed {
		return nil
	}
	if !l.app.Closed {
		l.on(closing.ReadAgain{})
		l.runYielding()
	}
	err := l.readGate()
	if err != nil {
		l.in.Unlock()
	}
	return err
}

// endRead ends a Read of the library's that brought n bytes.
func (l *link) endRead(p []byte, n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err = counted(n, len(p), err)
	err = l.afterRead(p[:n], err)
	if l.end != nil {
		l.on(closing.Called{Read: true})
		l.runYielding()
	}
	l.in.Unlock()
	l.schedule()
	l.enableFast()
	if l.app.Closed && l.phase == phaseOpen {
		return 0, l.raw.errClosed("read")
	}
	return n, err
}

// readPanicked ends a Read in which the transport panicked, or ended the
// goroutine; that goes on.
func (l *link) readPanicked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen {
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: closing.TransportFailed, Err: errTransportPanic}})
	}
	l.in.Unlock()
	l.schedule()
}

// readGate is the error of a Read on a connection that is read no more.
func (l *link) readGate() error {
	m := l.machine()
	switch {
	case l.app.Closed:
		return l.raw.errClosed("read")
	case m == nil:
		return nil
	case m.Limit() != closing.NoCause:
		return &limitError{sentinel(m.Limit())}
	}
	if r := m.Record(); r.Complete() {
		if l.eofEndsMessage && l.in.scan.InMessage() {
			return &truncatedError{io.EOF.Error()} // rule 8
		}
		return io.EOF
	} else if m.Stage() >= closing.Ending && r.First == closing.Transport && !r.Aborted && r.Sent == nil {
		return r.Down // the guard has closed what had ended
	}
	if m.Stage() >= closing.Ending || m.Reader() >= closing.Queued {
		return l.raw.errClosed("read")
	}
	return nil
}

// afterRead takes what a Read brought, the library's or the guard's own, and
// returns the error that the library shall see. What follows is for run.
func (l *link) afterRead(p []byte, err error) error {
	switch l.phase {
	case phasePassthrough, phaseWitness:
		return err
	case phaseHTTP:
		l.opening.read(p)
		if l.phase != phaseOpen {
			return err
		}
	case phaseOpen:
		if len(p) > 0 && !l.ended.Load() {
			l.in.Touch(l.guard.now())
			if l.end != nil {
				l.on(closing.Heard{})
			}
			l.scanIn(p)
		}
	}
	if err != nil {
		err = l.readFailed(err)
	}
	return err
}

// claim takes note of the reserved bits that the agreed extensions use.
func (l *link) claim(rsv byte) { l.in.scan.Claimed, l.out.scan.Claimed = rsv, rsv }

// scanIn follows the peer's frames up to its Close; nothing counts after that.
func (l *link) scanIn(p []byte) {
	if l.machine().TheirCloseCame() {
		l.on(closing.Trailed{Bytes: len(p)})
		return
	}
	s := &l.in.scan
	if n := s.Data(p); n > 0 {
		l.life.sawData()
		if n == len(p) {
			return
		}
		p = p[n:]
	}
	for {
		n, token := s.Next(p)
		if token == wire.End || token == wire.More && s.InPayload() {
			l.life.saw(s.Opcode())
			if s.Opcode() == wire.Close {
				l.needEnding().collect(s, p[:n])
			}
		}
		p = p[n:]
		switch {
		case token == wire.More:
			return
		case token == wire.Start && (s.Opcode() == wire.Close || s.Fault() != wire.NoFault):
			l.needEnding().frameStarts(s, l.guard.now())
		case token == wire.End && s.Opcode() == wire.Close && s.Fault() == wire.NoFault:
			l.on(closing.TheirClose{Payload: l.end.theirs.Payload()})
			l.on(closing.Trailed{Bytes: len(p)})
			return
		}
	}
}

// frameStarts takes the header of a frame of the peer's.
func (e *ending) frameStarts(s *wire.Scanner, now instant) {
	if s.Opcode() == wire.Close {
		e.theirs.Reset()
	}
	if s.Fault() == wire.NoFault {
		return
	}
	first := e.Record().Fault == nil
	v := closing.OfHeader(s)
	e.On(closing.TheirFault{Violation: v}, now)
	if e.fault = nil; first {
		e.fault = v
	}
}

// collect keeps the payload of a Close of the peer's. An illegal one's goes into
// the violation, as much of it as a control frame may have.
func (e *ending) collect(s *wire.Scanner, p []byte) {
	e.theirs.Take(s, p)
	payload := e.theirs.Payload()
	payload = payload[:min(len(payload), wire.MaxControl)]
	if s.Fault() != wire.NoFault && e.fault != nil && len(e.fault.Payload) < len(payload) {
		e.fault.Payload = bytes.Clone(payload)
	}
}

// readFailed sorts an error of the transport's Read and returns what the
// library sees of it.
func (l *link) readFailed(err error) error {
	m := l.machine()
	switch {
	case m.Stage() >= closing.Ending:
		return l.readGate() // the guard has ended TCP: what the peer makes of that is no cause
	case isEOF(err):
		if l.eofEndsMessage && l.in.scan.InMessage() && !m.TheirCloseCame() {
			err = &truncatedError{err.Error()} // rule 8
		}
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: closing.EOF, Err: err}})
	case ranOut(err):
		switch {
		case m.Limit() != closing.NoCause:
			return &limitError{sentinel(m.Limit())}
		case m.Reader() >= closing.Queued:
			return l.readGate() // it was the guard's deadline
		case !l.app.Closed:
			l.on(closing.RanOut{Reason: closing.Reason{Cause: closing.ReadTimeout, Err: err}})
		}
	case errors.Is(err, net.ErrClosed):
		// Somebody closed the transport underneath.
		l.on(closing.TransportClosed{Reason: closing.Reason{Cause: closing.TransportFailed, Err: err}})
	default:
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
	}
	return err
}
