package closeguard

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// outbound is the direction from us to the peer. Whoever has its lock needs no mu
// for its scanner.
type outbound struct {
	sched.IOMutex
	scan wire.Scanner
}

// wake ends a Write of the library's that is blocked.
func (out *outbound) wake(raw transport, m *closing.Machine) {
	if out.Locked() && !m.GuardSends() && m.Stage() < closing.Ending {
		raw.SetWriteDeadline(past) //nolint:errcheck // a transport without deadlines can't be woken
	}
	out.Broadcast()
}

// frame makes a whole control frame of ours. A client's mask is fresh and nobody
// can foresee it (RFC 6455 section 5.3).
func (out *outbound) frame(op wire.Opcode, payload []byte) []byte {
	if !out.scan.Masked {
		return wire.AppendControl(nil, op, payload, nil)
	}
	var mask [4]byte
	rand.Read(mask[:]) //nolint:errcheck // never fails
	return wire.AppendControl(nil, op, payload, &mask)
}

// write is the library's Write. Data passes as it is, in one piece; only where
// a Close begins is anything looked at or changed. What is rarely needed is in
// functions of its own: a stack that has doubled for it would stay as large.
func (l *link) write(p []byte) (int, error) {
	if l.out.TryLock() {
		return l.writeFast(p)
	}
	return l.writeLocked(p, false)
}

// writeFast is write with the direction's lock and without mu.
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
	n, err = l.raw.Write(p)
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
	failed := closing.Reason{Cause: closing.TransportFailed, Err: errTransportPanic}
	l.on(closing.WireBroken{})
	l.on(closing.Wrote{Reason: failed})
	l.on(closing.WriteFailed{Reason: failed})
}

// writeLocked is write with mu.
func (l *link) writeLocked(p []byte, locked bool) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !locked && !l.out.Lock(&l.mu, l.unwritable) {
		return l.writeFramesYielding(p)
	}
	defer l.endWriteYielding()
	if locked && l.app.Closed {
		l.cutFrame(nil) // the close came just now
	}
	switch {
	case l.phase == phaseHTTP && l.role == Server:
		n, err := l.writeHTTPYielding(p)
		if err != nil || n == len(p) {
			return n, err
		}
		m, err := l.writeFramesYielding(p[n:])
		return n + m, err
	case l.phase != phaseOpen:
		if l.phase == phaseHTTP && bytes.HasPrefix(p, []byte("CONNECT ")) {
			l.proxy = proxyAsked
		}
		return l.passYielding(p)
	}
	return l.writeFramesYielding(p)
}

// endWriteYielding ends a Write of the library's.
func (l *link) endWriteYielding() {
	l.out.Unlock()
	if l.end != nil && l.phase == phaseOpen {
		l.on(closing.Called{})
		l.runYielding()
	}
	l.relax()
}

// writeFramesYielding takes what the library writes behind the opening handshake.
func (l *link) writeFramesYielding(p []byte) (int, error) {
	m := l.machine()
	if m.Edge() == closing.Owed && m.Stage() < closing.Ending {
		return l.writeOwedYielding(p)
	}
	if err := l.writeGate(); err != nil {
		return 0, err
	}
	if m.TakesNoMore() {
		return l.afterClose(p)
	}
	ahead := 0
	if l.end == nil || l.end.held == nil {
		before := l.out.scan
		k := l.passable(p)
		if k > 0 || len(p) == 0 {
			n, err := l.passDataYielding(p[:k], before)
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

// unwritable reports whether a Write need not wait for its turn: it fails, or
// comes after a Close of the guard's that is on its way.
func (l *link) unwritable() bool {
	return l.phase == phaseOpen && (l.machine().GuardSends() || l.writeGate() != nil)
}

// writeGate is the error of a Write on a connection that is written no more.
func (l *link) writeGate() error {
	m := l.machine()
	switch {
	case l.app.Closed:
		return l.raw.errClosed("write")
	case m == nil:
		return nil
	case m.Limit() != closing.NoCause:
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
	for n := 0; ; {
		l.life.writes()
		piece := p[n:][:l.life.piece(len(p)-n)]
		took, err := l.transportWriteYielding(piece)
		l.life.wrote()
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
	n, err = l.raw.Write(p)
	returned = true
	return counted(n, len(p), err)
}

// writeHTTPYielding passes the answer to an upgrade, up to the end of a 101's
// head (rule 0): what is behind that is frames.
func (l *link) writeHTTPYielding(p []byte) (int, error) {
	head := &l.head
	k := head.Feed(p)
	switched := head.Done() && head.Status == 101
	if !switched {
		k = len(p)
	}
	n, err := l.passYielding(p[:k])
	switch {
	case l.phase != phaseHTTP: // closed meanwhile
	case switched && err != nil:
		l.refuse(0) // the peer has part of a head
	case switched:
		l.agreeOn(head.Subprotocol)
		l.claim(head.Claimed)
		l.armYielding()
	case head.Bad():
		l.refuse(0)
	case head.Done():
		l.refuse(head.Status)
	}
	return n, err
}

// passable returns how much of p may leave as it is: all of it, or up to the
// next boundary where a Close begins or one of ours is due. It leaves the
// scanner there, ahead of the wire: nobody else looks at it until the Write is
// over.
func (l *link) passable(p []byte) (n int) {
	s := &l.out.scan
	ours := l.machine().Out() == closing.Pending
	if !ours {
		if n = s.Data(p); n > 0 {
			l.life.saw(s.Opcode())
			if n == len(p) {
				return n
			}
		}
	}
	for {
		if s.Between() && n < len(p) && (wire.Opcode(p[n]&0xf) == wire.Close || n > 0 && ours) {
			return n
		}
		took, token := s.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			if s.InPayload() {
				l.life.saw(s.Opcode())
			}
			return n
		case wire.Start:
		case wire.End:
			l.life.saw(s.Opcode())
		}
	}
}

// passDataYielding writes bytes of the library's that hold no Close; before is
// where the scanner stood. Our side of the wire is where the kernel took the last
// byte.
func (l *link) passDataYielding(p []byte, before wire.Scanner) (int, error) {
	n, err := l.passYielding(p)
	return l.wroteData(p, before, n, err)
}

// wroteData takes note that n bytes of p have left, and returns what the library
// shall see.
func (l *link) wroteData(p []byte, before wire.Scanner, n int, err error) (int, error) {
	if n < len(p) {
		l.out.scan = before
		l.advance(p[:n])
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

func (l *link) advance(p []byte) {
	for {
		n, token := l.out.scan.Next(p)
		if p = p[n:]; token == wire.More {
			return
		}
	}
}

// writeFailed sorts an error of the transport's Write; rest is what didn't leave.
// The library sees no error if it is to go on with the frame that it is in.
func (l *link) writeFailed(rest []byte, err error) error {
	m := l.machine()
	switch {
	case ranOut(err):
		return l.writeRanOut(rest, err)
	case m.Stage() >= closing.Ending || errors.Is(err, net.ErrClosed) && m.Limit() != closing.NoCause:
		// It is the guard that ended TCP.
		if gate := l.writeGate(); gate != nil {
			return gate
		}
	case errors.Is(err, net.ErrClosed):
		l.on(closing.TransportClosed{Reason: closing.Reason{Cause: closing.TransportFailed, Err: err}})
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
	case m.Limit() != closing.NoCause:
		return &limitError{sentinel(m.Limit())}
	case l.app.Closed:
		if l.cutFrame(rest); l.machine().Edge() == closing.Owed {
			return nil
		}
		return l.raw.errClosed("write")
	}
	l.on(closing.RanOut{Reason: closing.Reason{Cause: closing.WriteTimeout, Err: err}})
	return err
}

// cutFrame remembers what is left of the frame that the library was in when it
// closed, so that the guard can write it to the end. What of it the library has
// not handed over yet, as it writes frames in pieces, is owed: coder/websocket
// writes 4 KiB and the rest, gorilla/websocket header and payload.
func (l *link) cutFrame(rest []byte) {
	s := l.out.scan
	if s.Between() {
		return
	}
	n := 0
	for token := wire.Start; token == wire.Start; {
		took := 0
		took, token = s.Next(rest[n:])
		n += took
	}
	owed := s.Left()
	if owed == 0 && !s.Between() {
		owed = 1 // the rest of a header, at least
	}
	l.on(closing.FrameCut{Rest: rest[:n], Owed: owed})
	if l.end.Edge() != closing.Broken {
		l.out.scan = s
	}
}

// writeOwedYielding takes what the library still writes of the frame that its
// close cut. With the frame's end it learns that the connection is closed.
func (l *link) writeOwedYielding(p []byte) (int, error) {
	before := l.out.scan
	l.cutFrame(p)
	if l.end.Edge() == closing.Owed {
		return len(p), nil
	}
	n := 0
	for token := wire.Start; token == wire.Start; {
		took := 0
		took, token = before.Next(p[n:])
		n += took
	}
	l.runYielding()
	return n, l.raw.errClosed("write")
}

// heldClose is a Close of the library's until its last byte has come: nobody
// can be waiting for half a Close.
type heldClose struct {
	scan    wire.Scanner
	payload wire.Collector
}

// take collects the frame's bytes from the start of p and returns how many,
// and whether the frame is whole.
func (h *heldClose) take(p []byte) (n int, whole bool) {
	for {
		took, token := h.scan.Next(p[n:])
		if token == wire.End || h.scan.InPayload() && token == wire.More {
			h.payload.Take(&h.scan, p[n:n+took])
		}
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

// writeCloseYielding takes p, which begins at or in a Close of the library's.
func (l *link) writeCloseYielding(p []byte) (int, error) {
	e := l.needEnding()
	if e.held == nil {
		e.held = &heldClose{scan: l.out.scan}
	}
	h := e.held
	n, whole := h.take(p)
	if !whole {
		return n, nil
	}
	e.held = nil
	if v := e.Outgoing(h.payload.Payload(), l.guard.now()); v.Send {
		frame := l.out.frame(wire.Close, v.Payload)
		if head := h.scan.Header(); h.scan.Fault() == wire.NoFault && head.Masked && bytes.Equal(v.Payload, h.payload.Payload()) {
			frame = wire.AppendControl(nil, wire.Close, v.Payload, &head.Mask) // as the library wrote it
		}
		if err := l.sendLibrarysYielding(frame); err != nil {
			return 0, err
		}
	}
	m, err := l.afterClose(p[n:])
	return n + m, err
}

// sendLibrarysYielding writes the library's Close, in the library's own call. What
// its deadline cuts off, the guard sends.
func (l *link) sendLibrarysYielding(frame []byte) error {
	l.schedule()
	n, err := l.passYielding(frame)
	if err == nil {
		l.on(closing.Wrote{})
		return nil
	}
	l.on(l.wroteClose(frame[n:], err))
	return l.writeFailed(nil, err)
}

// wroteClose says what became of a Write of our Close that failed.
func (l *link) wroteClose(rest []byte, err error) closing.Wrote {
	late := ranOut(err)
	return closing.Wrote{
		Reason: closing.Reason{Cause: causeOf(err), Err: err},
		Later:  late && l.resumable,
		Broken: late && !l.resumable,
		Rest:   rest,
	}
}

// afterClose takes what the library writes behind its Close. Pongs and Closes
// are swallowed: the library answers on its own, and its reader would stumble
// over an error. Data and pings fail. (Rule 3)
func (l *link) afterClose(p []byte) (int, error) {
	n := 0
	if e := l.end; e.held != nil {
		// The rest of a Close that the guard's overtook.
		took, whole := e.held.take(p)
		if !whole {
			return took, nil
		}
		e.held, n = nil, took
	}
	for {
		took, token := l.out.scan.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			return n, nil
		case wire.Start:
			if op := l.out.scan.Opcode(); op != wire.Close && op != wire.Pong {
				// The next Write begins with a frame again.
				l.out.scan = wire.Scanner{Masked: l.out.scan.Masked, Claimed: l.out.scan.Claimed}
				return max(n-took, 0), l.raw.errClosed("write")
			}
		case wire.End:
		}
	}
}

const (
	// patience is how long a Close of the net.Conn waits in the caller for the
	// Close frame to leave; the rest happens in the background.
	patience = 5 * time.Millisecond

	// slice is how long the guard writes or reads for one connection while
	// others wait to be, and leisure if none does.
	slice   = 20 * time.Millisecond
	leisure = 100 * time.Millisecond
)

// sendYielding writes our Close in the caller if a moment is enough and what
// hasn't left by then can leave later.
func (l *link) sendYielding(a closing.Action) (waited bool) {
	if !l.resumable {
		l.sendLater(a)
		return false
	}
	l.writeOursYielding(a, patience)
	return true
}

// sendLater writes our Close in a goroutine of the guard's, for a slice of time
// where a Write can be gone on with: peers that don't read must not keep the
// others from theirs. Where it can't, the limits end it.
func (l *link) sendLater(a closing.Action) {
	if !l.resumable {
		l.guard.blockers.Do(func() { l.sendSlice(a, 0) })
		return
	}
	l.guard.writers.Do(func() {
		d := leisure
		if l.guard.writers.Waiting() {
			d = slice
		}
		l.sendSlice(a, d)
	})
}

func (l *link) sendSlice(a closing.Action, d time.Duration) {
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writeOursYielding(a, d)
	l.run()
}

// writeOursYielding writes our Close with the direction's lock, which it gives
// back, for as long as d, or if that is 0 as long as the limits allow.
func (l *link) writeOursYielding(a closing.Action, d time.Duration) {
	defer l.out.Unlock()
	b := a.Bytes
	if !a.Whole {
		b = append(b, l.out.frame(wire.Close, a.Payload)...)
	}
	if l.end.Stage() >= closing.Ending {
		l.on(closing.Wrote{Reason: closing.Reason{Cause: closing.TransportFailed, Err: net.ErrClosed}, Rest: b})
		return
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	l.raw.SetWriteDeadline(deadline) //nolint:errcheck // Write tells
	n, err := l.passYielding(b)
	if err == nil {
		l.on(closing.Wrote{})
		return
	}
	l.on(l.wroteClose(b[n:], err))
}

// awaitSentYielding gives our Close a moment to leave.
func (l *link) awaitSentYielding(d time.Duration) {
	e := l.end
	if e == nil || !e.Busy() && e.Out() != closing.Unknown {
		return
	}
	if e.sent == nil {
		e.sent = make(chan struct{})
	}
	sent := e.sent
	l.yield(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-sent:
		case <-t.C:
		}
	})
}
