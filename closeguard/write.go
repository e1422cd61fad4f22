package closeguard

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"os"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// maxTail is how much of a frame the guard writes to the end for a library
// that closed in the middle of it (rule 9).
const maxTail = 64 << 10

// write is the library's Write. Data passes as it is, in one piece; only where
// a Close begins is anything looked at or changed. What is rarely needed is in
// functions of its own: a stack that has doubled for it would stay as large.
func (l *link) write(p []byte) (int, error) {
	if l.out.TryLock() {
		return l.writeEntered(p)
	}
	return l.writeLocked(p, false)
}

// writeEntered is write with the turn taken and without mu.
func (l *link) writeEntered(p []byte) (int, error) {
	before := l.outScan
	if l.outScan.Data(p) != len(p) {
		l.outScan = before
		return l.writeLocked(p, true)
	}
	n, err := l.raw.Write(p)
	if n == len(p) && err == nil && l.out.UnlockFast(0) {
		return n, nil
	}
	return l.wrote(p, before, n, err)
}

// wrote ends a Write that was not to be ended without mu.
func (l *link) wrote(p []byte, before wire.Scanner, n int, err error) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.endWrite()
	return l.passed(p, before, n, err)
}

// writeLocked is write with mu.
func (l *link) writeLocked(p []byte, entered bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !entered && !l.out.Lock(&l.mu, l.unwritable) {
		return l.writeFrames(p)
	}
	defer l.endWrite()
	if entered && l.closed {
		l.keepTail(nil) // the close came just now
	}
	switch {
	case l.phase == phaseHTTP && l.role == Server:
		n, err := l.writeHTTP(p)
		if err != nil || n == len(p) {
			return n, err
		}
		m, err := l.writeFrames(p[n:])
		return n + m, err
	case l.phase != phaseOpen:
		if l.phase == phaseHTTP && bytes.HasPrefix(p, []byte("CONNECT ")) {
			l.proxied = true
		}
		return l.pass(p)
	}
	return l.writeFrames(p)
}

// endWrite ends a Write of the library's.
func (l *link) endWrite() {
	if !l.flushing { // else the turn was handed over
		l.out.Unlock()
	}
	l.settle()
	l.relax()
}

// writeFrames takes what the library writes behind the opening handshake.
func (l *link) writeFrames(p []byte) (int, error) {
	if l.owed && !l.ending {
		return l.writeOwed(p)
	}
	if err := l.writeGate(); err != nil {
		return 0, err
	}
	if l.hs.sent != nil || l.flushing {
		return l.afterClose(p)
	}
	ahead := 0
	if l.held == nil {
		before := l.outScan
		k := l.passable(p)
		if k > 0 || len(p) == 0 {
			n, err := l.passData(p[:k], before)
			if err != nil || k == len(p) {
				return n, err
			}
		}
		if l.own != nil {
			// Ours leaves at this boundary; what follows comes too late.
			l.startFlush()
			m, err := l.afterClose(p[k:])
			return k + m, err
		}
		ahead = k
	}
	n, err := l.writeClose(p[ahead:])
	return ahead + n, err
}

// unwritable reports whether a Write need not wait for its turn: it fails, or
// comes after a Close of the guard's that is on its way.
func (l *link) unwritable() bool {
	return l.phase == phaseOpen && (l.flushing || l.writeGate() != nil)
}

// writeGate is the error of a Write on a connection that is written no more.
func (l *link) writeGate() error {
	switch {
	case l.closed:
		return l.errClosed("write")
	case l.limit != nil:
		return &limitError{l.limit}
	case l.ending && l.hs.sent == nil:
		return l.errClosed("write")
	default:
		return nil
	}
}

// pass hands bytes to the transport, without mu.
func (l *link) pass(p []byte) (int, error) {
	for n := 0; ; {
		l.life.writes(l)
		piece := p[n:][:l.life.piece(len(p)-n)]
		l.mu.Unlock()
		took, err := l.raw.Write(piece)
		l.mu.Lock()
		l.life.wrote()
		if n += took; err != nil || n == len(p) {
			return n, err
		}
	}
}

// writeHTTP passes the answer to an upgrade, up to the end of a 101's head
// (rule 0): what is behind that is frames.
func (l *link) writeHTTP(p []byte) (int, error) {
	head := &l.head
	k := head.Feed(p)
	switched := head.Done() && head.Status == 101
	if !switched {
		k = len(p)
	}
	n, err := l.pass(p[:k])
	switch {
	case l.phase != phaseHTTP: // closed meanwhile
	case switched && err != nil:
		l.refuse(0) // the peer has part of a head
	case switched:
		l.agreeOn(head.Subprotocol)
		l.claim(head.Claimed)
		l.arm()
	case head.Bad():
		l.refuse(0)
	case head.Done():
		l.refuse(head.Status)
	}
	return n, err
}

// passable returns how much of p may leave as it is: all of it, or up to the
// next boundary where a Close begins or one of ours is due. It leaves the
// scanner there, ahead of the wire: nobody else looks at it until the turn to
// write is over.
func (l *link) passable(p []byte) (n int) {
	s := &l.outScan
	if l.own == nil {
		if n = s.Data(p); n > 0 {
			l.life.saw(s.Opcode(), l.guard)
			if n == len(p) {
				return n
			}
		}
	}
	for {
		if s.Between() && n < len(p) && (wire.Opcode(p[n]&0xf) == wire.Close || n > 0 && l.own != nil) {
			return n
		}
		took, token := s.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			if s.InPayload() {
				l.life.saw(s.Opcode(), l.guard)
			}
			return n
		case wire.Start:
		case wire.End:
			l.life.saw(s.Opcode(), l.guard)
		}
	}
}

// passData writes bytes of the library's that hold no Close; before is where the
// scanner stood. Our side of the wire is where the kernel took the last byte.
func (l *link) passData(p []byte, before wire.Scanner) (int, error) {
	n, err := l.pass(p)
	return l.passed(p, before, n, err)
}

// passed takes note that n bytes of p have left, and returns what the library
// shall see.
func (l *link) passed(p []byte, before wire.Scanner, n int, err error) (int, error) {
	if n < len(p) {
		l.outScan = before
		l.advance(p[:n])
	}
	if n > 0 {
		l.life.saw(l.outScan.Opcode(), l.guard) // it may have taken long
	}
	switch {
	case err != nil:
		if err = l.writeFailed(p[n:], err); err == nil {
			n = len(p) // the guard writes the rest
		}
	case l.closed:
		l.keepTail(nil) // the close came while p was with the transport
	}
	return n, err
}

func (l *link) advance(p []byte) {
	for {
		n, token := l.outScan.Next(p)
		if p = p[n:]; token == wire.More {
			return
		}
	}
}

// writeFailed sorts an error of the transport's Write; rest is what didn't leave.
// The library sees no error if it is to go on with the frame that it is in.
func (l *link) writeFailed(rest []byte, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if !l.resumable {
			l.needClosing().broken = true
		}
		switch {
		case l.limit != nil:
			return &limitError{l.limit}
		case l.closed:
			l.keepTail(rest)
			if l.owed {
				return nil
			}
			return l.errClosed("write")
		}
		l.handshake().timedOut = err
	case errors.Is(err, net.ErrClosed):
		if l.limit != nil {
			return &limitError{l.limit}
		}
		if !l.ending {
			l.handshake().sawEnd(err)
			l.handshake().abort()
			l.settle()
		}
	case l.ending:
		// It is the guard that ended TCP.
		if gate := l.writeGate(); gate != nil {
			return gate
		}
	default:
		l.closeCame()
		l.handshake().sawEnd(err)
		l.settle()
	}
	return err
}

// keepTail remembers what is left of the frame that the library was in when it
// closed, so that the guard can write it to the end. What of it the library has
// not handed over yet, as it writes frames in pieces, is owed: coder/websocket
// writes 4 KiB and the rest, gorilla/websocket header and payload.
func (l *link) keepTail(rest []byte) {
	s := l.outScan
	if s.Between() {
		return
	}
	c := l.needClosing()
	n := 0
	for token := wire.Start; token == wire.Start; {
		took := 0
		took, token = s.Next(rest[n:])
		n += took
	}
	if c.broken || s.Left() > maxTail || len(c.tail)+n+int(s.Left()) > maxTail {
		c.broken, c.owed = true, false
		return
	}
	c.tail = append(c.tail, rest[:n]...)
	c.owed = !s.Between()
	l.outScan = s
}

// writeOwed takes what the library still writes of the frame that its close cut.
// With the frame's end it learns that the connection is closed.
func (l *link) writeOwed(p []byte) (int, error) {
	before := len(l.tail)
	if l.keepTail(p); l.owed {
		return len(p), nil
	}
	n := len(l.tail) - before
	l.settle()
	return n, l.errClosed("write")
}

// heldClose is a Close of the library's until its last byte has come: nobody
// can be waiting for half a Close.
type heldClose struct {
	scan    wire.Scanner
	raw     []byte
	payload []byte
}

// take collects the frame's bytes from the start of p and returns how many,
// and whether the frame is whole.
func (h *heldClose) take(p []byte) (n int, whole bool) {
	for {
		took, token := h.scan.Next(p[n:])
		piece := p[n : n+took]
		if token == wire.End || h.scan.InPayload() && token == wire.More {
			// One byte too many is enough to know that it is too long.
			at := len(h.payload)
			piece = piece[:min(len(piece), maxControlPayload+1-at)]
			h.payload = append(h.payload, piece...)
			if head := h.scan.Header(); head.Masked {
				wire.XOR(h.payload[at:], head.Mask, at)
			}
		}
		h.raw = append(h.raw, piece...)
		n += took
		switch token {
		case wire.More:
			return n, false
		case wire.End:
			return n, true
		case wire.Start:
		}
	}
}

// writeClose takes p, which begins at or in a Close of the library's.
func (l *link) writeClose(p []byte) (int, error) {
	if l.held == nil {
		l.needClosing().held = &heldClose{scan: l.outScan}
	}
	h := l.held
	n, whole := h.take(p)
	if !whole {
		return n, nil
	}
	l.held = nil
	if v := l.handshake().outgoing(h.payload); v.send {
		frame := h.raw
		if h.scan.Fault() != wire.NoFault || !bytes.Equal(v.as, h.payload) {
			frame = l.frame(wire.Close, v.as)
		}
		if err := l.sendClose(v, frame); err != nil {
			return 0, err
		}
	}
	m, err := l.afterClose(p[n:])
	return n + m, err
}

// sendClose writes the library's Close, in the library's own call. What its
// deadline cuts off, the guard sends.
func (l *link) sendClose(v verdict, frame []byte) error {
	c := l.needClosing()
	c.own, c.partly = &v, true // from here on nobody begins another one
	c.leaving = true
	l.startClock()
	n, err := l.pass(frame)
	c.leaving = false
	if err == nil {
		l.closeLeft(v.frame)
		return nil
	}
	c.tail = frame[n:]
	err = l.writeFailed(nil, err)
	if l.hs.down != nil || l.limit != nil || l.hs.aborted {
		l.lose()
	}
	return err
}

// afterClose takes what the library writes behind its Close. Pongs and Closes
// are swallowed: the library answers on its own, and its reader would stumble
// over an error. Data and pings fail. (Rule 3)
func (l *link) afterClose(p []byte) (int, error) {
	n := 0
	if l.held != nil {
		// The rest of a Close that the guard's overtook.
		took, whole := l.held.take(p)
		if !whole {
			return took, nil
		}
		l.held, n = nil, took
	}
	for {
		took, token := l.outScan.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			return n, nil
		case wire.Start:
			if op := l.outScan.Opcode(); op != wire.Close && op != wire.Pong {
				// The next Write begins with a frame again.
				l.outScan = wire.Scanner{Masked: l.outScan.Masked, Claimed: l.outScan.Claimed}
				return max(n-took, 0), l.errClosed("write")
			}
		case wire.End:
		}
	}
}

// frame makes a whole control frame of ours. A client's mask is fresh and
// nobody can foresee it (RFC 6455 section 5.3).
func (l *link) frame(op wire.Opcode, payload []byte) []byte {
	if l.role == Server {
		return wire.AppendControl(nil, op, payload, nil)
	}
	var mask [4]byte
	rand.Read(mask[:]) //nolint:errcheck // never fails
	return wire.AppendControl(nil, op, payload, &mask)
}
