package closeguard

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// read is the library's Read. What comes is scanned and handed on as it is. As
// in write, what is rarely needed is in functions of its own.
func (l *link) read(p []byte) (int, error) {
	if l.in.TryLock() {
		n, err := l.raw.Read(p)
		if before := l.inScan; err == nil && n > 0 {
			if l.inScan.Data(p[:n]) == n && l.in.UnlockFast(l.guard.now()) {
				return n, nil
			}
			l.inScan = before
		}
		return l.endRead(p, n, err)
	}
	return l.readLocked(p)
}

// readLocked is read with mu.
func (l *link) readLocked(p []byte) (int, error) {
	l.mu.Lock()
	if !l.in.Lock(&l.mu, l.unreadable) {
		defer l.mu.Unlock()
		return 0, l.readGate()
	}
	if err := l.beforeRead(); err != nil {
		l.in.Unlock()
		l.mu.Unlock()
		return 0, err
	}
	l.mu.Unlock()

	n, err := l.raw.Read(p)
	return l.endRead(p, n, err)
}

// endRead ends a Read of the library's that brought n bytes.
func (l *link) endRead(p []byte, n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.afterRead(p[:n], err)
	l.in.Unlock()
	l.schedule()
	l.relax()
	if l.closed && l.phase == phaseOpen {
		return 0, l.errClosed("read")
	}
	return n, err
}

// beforeRead says why a Read can't begin. A library that reads again after it
// was given the peer's Close has used it up: if it hasn't answered by now, it
// won't (rule 4).
func (l *link) beforeRead() error {
	if l.phase != phaseOpen {
		return nil
	}
	if l.hs.received != nil && l.hs.sent == nil && l.own == nil && !l.closed {
		l.begin(l.handshake().own(l.hs.answer()))
		l.settle()
	}
	return l.readGate()
}

// unreadable reports whether a Read need not wait for its turn.
func (l *link) unreadable() bool { return l.phase == phaseOpen && l.readGate() != nil }

// readGate is the error of a Read on a connection that is read no more.
func (l *link) readGate() error {
	switch {
	case l.closed:
		return l.errClosed("read")
	case l.limit != nil:
		return &limitError{l.limit}
	case l.hs.complete():
		return io.EOF
	case l.ending, l.reading:
		return l.errClosed("read")
	default:
		return nil
	}
}

// afterRead takes what a Read brought, the library's or the guard's own, and
// returns the error that the library shall see.
func (l *link) afterRead(p []byte, err error) error {
	switch l.phase {
	case phasePlain:
		return err
	case phaseHTTP:
		l.readHTTP(p)
		if l.phase != phaseOpen {
			return err
		}
	case phaseOpen:
		if len(p) > 0 && !l.over.Load() {
			l.in.Touch(l.guard.now())
			if l.hs.timedOut != nil && l.hs.open() {
				l.handshake().timedOut = nil
			}
			l.scanIn(p)
		}
	}
	if err != nil {
		err = l.readFailed(err)
	}
	if l.closing != calm {
		l.lastRead = l.guard.now()
	}
	l.settle()
	return err
}

// readHTTP takes bytes that came before the opening handshake was over. To a
// client they are the answer; a server was sent frames too early, which count
// from the 101 on.
func (l *link) readHTTP(p []byte) {
	if l.role == Server {
		l.early = append(l.early, p...)
		if len(l.early) > maxEarly {
			l.becomePlain()
		}
		return
	}
	head := &l.head
	n := head.Feed(p)
	if l.proxied && head.Done() && head.Status == 200 {
		// The proxy has connected; the server's answer is still to come.
		l.proxied, *head = false, wire.Head{}
		p = p[n:]
		n = head.Feed(p)
	}
	switch {
	case head.Bad(), head.Done() && head.Status != 101:
		l.becomePlain()
	case head.Done():
		l.agreeOn(clip(head.Subprotocol, maxPath))
		l.claim(head.Claimed)
		l.early = p[n:]
		l.arm()
	}
}

// becomePlain takes note that there will be no 101.
func (l *link) becomePlain() {
	l.phase, l.opening = phasePlain, nil
	l.guard.ended(l)
}

// maxEarly is how much may come before the 101 is out; more is no WebSocket.
const maxEarly = 1 << 20

// claim takes note of the reserved bits that the agreed extensions use.
func (l *link) claim(rsv byte) { l.inScan.Claimed, l.outScan.Claimed = rsv, rsv }

// scanIn follows the peer's frames up to its Close; nothing counts after that.
func (l *link) scanIn(p []byte) {
	if l.hs.received != nil {
		if len(p) > 0 {
			l.needClosing().late = true
		}
		return
	}
	s := &l.inScan
	if n := s.Data(p); n > 0 {
		l.life.saw(s.Opcode(), l.guard)
		if n == len(p) {
			return
		}
		p = p[n:]
	}
	for {
		n, token := s.Next(p)
		if n > 0 && token != wire.Start && s.Opcode() == wire.Close && (token == wire.End || s.InPayload()) {
			l.collect(s, p[:n])
		}
		p = p[n:]
		switch token {
		case wire.More:
			if s.InPayload() {
				l.life.saw(s.Opcode(), l.guard)
			}
			return
		case wire.Start:
			if s.Opcode() == wire.Close {
				c := l.needClosing()
				c.partial = c.space[:0]
			}
			if s.Fault() != wire.NoFault {
				l.needClosing().blamed = l.hs.fault == nil
				l.handshake().sawFault(frameError(s))
			}
		case wire.End:
			l.life.saw(s.Opcode(), l.guard)
			if s.Opcode() == wire.Close && s.Fault() == wire.NoFault {
				l.needClosing().whole = true
				l.order()
				l.closeCame()
				l.needClosing().late = len(p) > 0
				return
			}
		}
	}
}

// closeCame takes note of the peer's Close, if it is whole. One that waits to be
// told after ours is told before the failure of ours.
func (l *link) closeCame() {
	if l.whole {
		l.handshake().sawClose(l.partial, l.guard.now())
	}
}

// collect keeps the payload of a Close of the peer's, as much of it as a control
// frame may have. An illegal one's goes into the error, too.
func (l *link) collect(s *wire.Scanner, p []byte) {
	c := l.needClosing()
	at := len(c.partial)
	c.partial = append(c.partial, p[:min(len(p), maxControlPayload-at)]...)
	if h := s.Header(); h.Masked {
		wire.XOR(c.partial[at:], h.Mask, at)
	}
	if s.Fault() != wire.NoFault && c.blamed && len(c.partial) > at {
		f := l.hs.fault
		l.handshake().fault = newFrameError(f.Rule, f.Value, c.partial)
	}
}

// frameError says which rule the header breaks that s stands behind.
func frameError(s *wire.Scanner) *FrameError {
	h := s.Header()
	switch s.Fault() {
	case wire.FaultRSV:
		return newFrameError(RuleRSV, int64(h.RSV), nil)
	case wire.FaultOpcode:
		return newFrameError(RuleOpcode, int64(h.Opcode), nil)
	case wire.FaultMask:
		var bit int64
		if h.Masked {
			bit = 1
		}
		return newFrameError(RuleMask, bit, nil)
	case wire.FaultFragment:
		return newFrameError(RuleFragmentedControl, int64(h.Opcode), nil)
	case wire.FaultControl:
		return newFrameError(RuleControlLength, int64(h.Length), nil)
	case wire.FaultContinuation:
		return newFrameError(RuleContinuation, int64(h.Opcode), nil)
	case wire.FaultInterleaved:
		return newFrameError(RuleInterleaved, int64(h.Opcode), nil)
	default:
		return newFrameError(RuleLength, int64(h.Length), nil)
	}
}

// readFailed sorts an error of the transport's Read and returns what the
// library sees of it.
func (l *link) readFailed(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		l.order()
	}
	switch {
	case isEOF(err):
		if l.trusting && l.inScan.InMessage() && l.hs.received == nil {
			err = &truncatedError{err.Error()} // rule 8
		}
		l.sawEnd(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		switch {
		case l.limit != nil:
			return &limitError{l.limit}
		case l.reading:
			return l.readGate() // it was the guard's deadline
		case !l.closed:
			l.handshake().timedOut = err
		}
	case errors.Is(err, net.ErrClosed):
		// The guard closed the transport, or somebody closed it underneath.
		if !l.ending {
			l.handshake().sawEnd(err)
			l.handshake().abort()
			return err
		}
		if gate := l.readGate(); gate != nil {
			return gate
		}
	default:
		l.sawEnd(err)
	}
	return err
}

// sawEnd takes note of how the peer ended TCP. What comes once the guard ends
// it says nothing of the peer.
func (l *link) sawEnd(err error) {
	if !l.ending {
		l.handshake().sawEnd(err)
	}
}
