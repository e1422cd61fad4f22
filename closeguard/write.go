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
// a Close begins is anything looked at or changed.
func (l *link) write(p []byte) (int, error) {
	l.mu.Lock()
	l.out.take(&l.mu)
	defer func() {
		l.out.give()
		l.settle()
		l.mu.Unlock()
	}()
	switch {
	case l.phase == phaseHTTP && l.hs.role == Server:
		return l.writeHTTP(p)
	case l.phase != phaseOpen:
		if l.phase == phaseHTTP && bytes.HasPrefix(p, []byte("CONNECT ")) {
			l.proxied = true
		}
		return l.pass(p)
	}
	if err := l.writeGate(); err != nil {
		return 0, err
	}
	if l.hs.sent != nil {
		return l.afterClose(p)
	}
	ahead := 0
	if l.held == nil {
		k, behind := l.passable(p)
		n, err := l.passData(p[:k], behind)
		if err != nil || k == len(p) {
			return n, err
		}
		if l.pending() != nil {
			// Ours leaves at this boundary; what follows comes too late.
			return n, l.errClosed("write")
		}
		ahead = k
	}
	n, err := l.writeClose(p[ahead:])
	return ahead + n, err
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
	l.life.writes(l)
	l.mu.Unlock()
	n, err := l.raw.Write(p)
	l.mu.Lock()
	l.life.wrote()
	return n, err
}

// writeHTTP passes the answer to an upgrade and finds its end (rule 0).
func (l *link) writeHTTP(p []byte) (int, error) {
	n, err := l.pass(p)
	if l.phase != phaseHTTP {
		return n, err // closed meanwhile
	}
	head := &l.head
	k := head.Feed(p[:n])
	switch {
	case head.Bad(), head.Done() && head.Status != 101:
		l.refuse(head.Status)
	case head.Done():
		l.info.Subprotocol = head.Subprotocol
		l.extended(head.Extended)
		rest := p[k:n]
		l.arm()
		// Frames behind the head in the same Write have left already.
		l.advance(rest)
	}
	return n, err
}

// passable returns how much of p may leave as it is: all of it, or up to the
// next boundary where a Close begins or one of ours is due. behind is where
// the scanner then stands.
func (l *link) passable(p []byte) (n int, behind wire.Scanner) {
	s := l.outScan
	for {
		if s.Between() && n < len(p) && (wire.Opcode(p[n]&0xf) == wire.Close || n > 0 && l.pending() != nil) {
			return n, s
		}
		took, token := s.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			return n, s
		case wire.Start:
			l.life.saw(s.Opcode(), l.guard)
		case wire.End:
		}
	}
}

// passData writes bytes of the library's that hold no Close. Our side of the wire
// is where the kernel took the last byte.
func (l *link) passData(p []byte, behind wire.Scanner) (int, error) {
	n, err := l.pass(p)
	if n == len(p) {
		l.outScan = behind
	} else {
		l.advance(p[:n])
	}
	if err != nil {
		err = l.writeFailed(p[n:], err)
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
func (l *link) writeFailed(rest []byte, err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		switch {
		case l.limit != nil:
			return &limitError{l.limit}
		case l.closed:
			l.keepTail(rest)
			return l.errClosed("write")
		}
		l.hs.timedOut = err
		if !l.resumable {
			l.needClosing().broken = true
		}
	case errors.Is(err, net.ErrClosed):
		if l.limit != nil {
			return &limitError{l.limit}
		}
		if !l.ending {
			l.hs.abort()
			l.settle()
		}
	default:
		l.hs.sawEnd(err)
		l.settle()
	}
	return err
}

// keepTail remembers what is left of the frame that the library was in when it
// closed, so that the guard can write it to the end.
func (l *link) keepTail(rest []byte) {
	s := l.outScan
	if s.Between() {
		return
	}
	n := 0
	for n <= maxTail {
		took, token := s.Next(rest[n:])
		n += took
		if token == wire.End {
			break
		}
		if token == wire.More {
			l.needClosing().broken = true // the library never handed over the rest
			return
		}
	}
	if c := l.needClosing(); n > maxTail || !l.resumable {
		c.broken = true
	} else {
		c.tail = bytes.Clone(rest[:n])
		l.outScan = s
	}
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
			piece = piece[:min(len(piece), maxControlPayload+1-len(h.payload))]
			h.payload = h.scan.AppendPayload(h.payload, piece)
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
	if v := l.hs.outgoing(h.payload); v.send {
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
	n, err := l.pass(frame)
	if err == nil {
		l.closeLeft(v.frame)
		return nil
	}
	err = l.writeFailed(nil, err)
	if l.hs.down == nil && l.limit == nil && !l.hs.aborted {
		l.begin(v)
		l.closing.tail, l.closing.partly = bytes.Clone(frame[n:]), true
	} else {
		l.hs.intend(v.frame, true)
	}
	return err
}

// afterClose takes what the library writes behind its Close. Pongs and Closes
// are swallowed: the library answers on its own, and its reader would stumble
// over an error. Data and pings fail. (Rule 3)
func (l *link) afterClose(p []byte) (int, error) {
	for n := 0; ; {
		took, token := l.outScan.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			return n, nil
		case wire.Start:
			if op := l.outScan.Opcode(); op != wire.Close && op != wire.Pong {
				return max(n-took, 0), l.errClosed("write")
			}
		}
	}
}

// frame makes a whole control frame of ours. A client's mask is fresh and
// nobody can foresee it (RFC 6455 section 5.3).
func (l *link) frame(op wire.Opcode, payload []byte) []byte {
	if l.hs.role == Server {
		return wire.AppendControl(nil, op, payload, nil)
	}
	var mask [4]byte
	rand.Read(mask[:]) //nolint:errcheck // never fails
	return wire.AppendControl(nil, op, payload, &mask)
}
