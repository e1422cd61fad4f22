package closeguard

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// read is the library's Read. What comes is scanned and handed on as it is. As
// in write, what is rarely needed is in functions of its own, and so is what needs
// much of the stack: an idle connection waits in here. If the transport panics, the
// direction's lock is given back.
func (l *link) read(p []byte) (n int, err error) {
	fast := l.in.TryLock()
	if !fast {
		if err := l.beginRead(); err != nil {
			return 0, err
		}
	}
	returned := false
	defer func() {
		if !returned {
			l.readPanicked()
		}
	}()
	if l.in.direct(len(p)) {
		n, err = l.raw.Conn.Read(p)
	} else {
		n, err = l.readAhead(p)
	}
	returned = true
	if fast && err == nil && n > 0 && n <= len(p) && l.readFast(p[:n]) {
		return n, nil
	}
	return l.endRead(p, n, err)
}

// readFast ends a Read without mu if it brought nothing but data, and gives the
// direction's lock back.
func (l *link) readFast(p []byte) (ok bool) {
	before := l.in.scan
	if l.in.scan.Data(p) == len(p) && l.in.UnlockFast(l.guard.now()) {
		return true
	}
	l.in.scan = before
	return false
}

// beginRead takes the direction's lock, or says why a Read can't begin.
func (l *link) beginRead() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	unreadable := func() bool { return l.phase == phaseOpen && l.readGate() != nil } // it need not wait for its turn
	if !l.in.Lock(&l.mu, unreadable) {
		l.on(closing.Called{})
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
		l.on(closing.Called{}) // nobody reads, but somebody is there
		l.in.Unlock()
	}
	return err
}

// endRead ends a Read of the library's that brought n bytes.
func (l *link) endRead(p []byte, n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err = counted(n, len(p), err)
	if n > 0 && l.end != nil && l.phase == phaseOpen && !l.app.Closed {
		l.on(closing.Heard{}) // what comes for a library that is done takes nothing back
	}
	err = l.afterRead(p[:n], err)
	if l.end != nil {
		l.on(closing.Called{Read: true})
		l.runYielding()
	}
	l.unlockReading()
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
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: cause.Transport, Err: errTransportPanic}})
	}
	l.unlockReading()
	l.schedule()
}

// unlockReading gives the direction's lock back. Behind the end nobody reads any more.
func (l *link) unlockReading() {
	if l.ended.final() {
		l.in.ahead.drop()
	}
	l.in.Unlock()
}

// readGate is the error of a Read on a connection that is read no more.
func (l *link) readGate() error {
	m := l.machine()
	switch {
	case l.app.Closed:
		return l.raw.errClosed("read")
	case m == nil:
		return nil
	case m.Limit() != cause.None:
		return &limitError{sentinel(m.Limit())}
	}
	if r := m.Record(); r.Complete() || m.Out() == closing.Lost && r.Received != nil && r.Down == nil && !r.Aborted {
		if l.library.has(eofEndsMessage) && l.in.scan.InMessage() {
			return &truncatedError{io.EOF.Error()} // rule 8
		}
		return io.EOF
	} else if m.Stage() >= closing.Ending && r.First == closing.Transport && !r.Aborted {
		return r.Down // the guard has closed what had ended
	}
	if m.Stage() >= closing.Ending || m.Reader() >= closing.Queued {
		return l.raw.errClosed("read")
	}
	return nil
}

// readFailed sorts an error of the transport's Read and returns what the
// library sees of it.
func (l *link) readFailed(err error) error {
	m := l.machine()
	switch {
	case m.Stage() >= closing.Ending:
		return l.readGate() // the guard has ended TCP: what the peer makes of that is no cause
	case isEOF(err):
		told := err
		if l.in.scan.InMessage() && !m.TheirCloseCame() { // rule 8
			if l.library.has(eofEndsMessage) {
				err = &truncatedError{err.Error()}
				told = err
			} else {
				told = fmt.Errorf(truncated+"%w", err)
			}
		}
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: cause.EOF, Err: told}})
	case ranOut(err):
		switch {
		case m.Limit() != cause.None:
			return &limitError{sentinel(m.Limit())}
		case m.Reader() >= closing.Queued:
			return l.readGate() // it was the guard's deadline
		case !l.app.Closed:
			l.on(closing.RanOut{Reason: closing.Reason{Cause: cause.ReadTimeout, Err: err}})
		}
	case errors.Is(err, net.ErrClosed):
		// Somebody closed the transport underneath.
		l.on(closing.TransportClosed{Reason: closing.Reason{Cause: cause.Transport, Err: err}})
	default:
		l.on(closing.ReadEnded{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
	}
	return err
}
