package closeguard

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

const (
	// patience is how long a Close of the net.Conn waits in the caller for the
	// Close frame to leave; the rest happens in the background.
	patience = 5 * time.Millisecond

	// readGap is how long, once our Close is out, the library may leave the
	// connection unread before the guard reads it.
	readGap = time.Second

	// lastWait is how long the guard waits, with both frames there, for the
	// end of the peer's stream.
	lastWait = time.Second
)

// past is a deadline that wakes whoever is blocked.
var past = time.Unix(1, 0)

// closing is what a connection needs from the moment that something points to
// its end.
type closing struct {
	hs handshake

	how   manner // how TCP shall be closed
	limit error  // the limit that the closing handshake reached
	cause error  // the guard's own word on why
	told  error  // what the library or the application said
	panic *PanicError

	partial []byte // what has come of the peer's Close, in space
	space   [maxControlPayload]byte
	whole   bool       // that is all of it
	late    bool       // bytes followed it, which would turn our end of TCP into a reset
	blamed  bool       // the frame that comes has the first broken header
	held    *heldClose // what has come of the library's Close
	broken  bool       // the wire is inside a frame that can't be finished

	own    *verdict // the guard's own Close, not yet out
	tail   []byte   // must leave before it: the rest of a frame
	partly bool     // own's frame is in tail
	owed   bool     // the library still has to write the end of tail

	leaving   bool          // a Close of ours is with the transport
	undecided bool          // and the connection was cut short meanwhile
	flushing  bool          // somebody writes tail and own
	flushed   chan struct{} // closed when it is done, made by whoever waits

	since instant // when the Close was asked for, 0: none was
	left  instant // when it was out
	ended instant // when TCP was closed, 0 before

	lastRead instant // when the last Read returned

	takeover  bool // the program won't read on: read for it as soon as it doesn't
	reading   bool // the guard has taken over reading
	taking    bool // it has the turn to read
	last      bool // both frames are there, only the end of TCP is awaited
	lastBy    time.Time
	shut      bool // our direction of the stream is ended
	discarded int64
	rounds    []*round // that closed it together with others

	closedByPanic bool // the library closed it while a panic unwound the handler
}

// calm is the closing of all connections on which nothing points to an end: it
// is read and never written.
var calm = new(closing)

// needClosing returns the connection's own closing, to be written.
func (l *link) needClosing() *closing {
	if l.closing == calm {
		l.attend()
		l.closing = new(closing)
		l.hs.role = l.role
	}
	return l.closing
}

// handshake returns the connection's own closing handshake, to be told of
// something. What it says can be read without.
func (l *link) handshake() *handshake { return &l.needClosing().hs }

// begin puts a Close of the guard's on its way; settle sends it as soon as the
// wire is between two frames (rule 9).
func (l *link) begin(v verdict) {
	if !v.send || l.own != nil {
		return
	}
	l.needClosing().own = &v
	l.startClock()
}

// tryFlush sends the pending Close if nobody writes, and gives it up if it can
// never be sent.
func (l *link) tryFlush() {
	if l.own == nil || l.out.Locked() {
		return
	}
	switch {
	case l.ready():
		l.out.LockNow()
		l.startFlush()
	case l.owed && l.hs.down == nil:
	case l.broken || l.gone():
		// In the middle of a frame that nobody finishes.
		l.lose()
		l.handshake().abort()
		l.cause = join(l.cause, errInFrame)
	}
}

// startFlush hands the turn to write over to flush.
func (l *link) startFlush() {
	l.flushing = true
	go func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.flush(time.Time{})
	}()
}

// lose gives the pending Close up.
func (l *link) lose() {
	if v := l.own; v != nil {
		l.handshake().intend(v.frame, true)
		l.decided()
	}
}

// decided tells whoever waits for the pending Close that it has left, or can't.
func (l *link) decided() {
	c := l.needClosing()
	c.own, c.tail, c.partly = nil, nil, false
	if c.flushed != nil {
		close(c.flushed)
		c.flushed = nil
	}
}

// ready reports whether the pending Close may be written now.
func (l *link) ready() bool {
	return !l.out.Locked() && !l.broken && !l.owed && (len(l.tail) > 0 || l.outScan.Between())
}

// push settles, and gives the pending Close a moment to leave in the caller if
// nobody writes; what hasn't left by then leaves in the background.
func (l *link) push() {
	if l.own != nil && l.resumable && l.ready() {
		l.out.LockNow()
		l.flushing = true
		l.flush(time.Now().Add(patience))
		return
	}
	l.settle()
}

// flushNow is push for the library's own Close, which waits a moment for a
// Close that leaves in the background, too. If the library is gone, its blocked
// calls end: with TLS, where a Write that is cut can't be gone on with, only
// after that moment.
func (l *link) flushNow() {
	l.push()
	if l.resumable && l.gone() {
		l.wakeCalls()
	}
	l.awaitFlush(patience)
	if l.gone() {
		if l.owed && len(l.tail) == 0 {
			l.needClosing().owed = false // nobody goes on with it
			l.settle()
		}
		l.wakeCalls()
	}
}

// gone reports whether the library is done with the connection.
func (l *link) gone() bool { return l.closed && !l.serving }

// flush writes what is pending. It has the turn to write, and blocks until the
// deadline, or without one as long as the limits allow.
func (l *link) flush(deadline time.Time) {
	v := l.own
	if v == nil { // given up before its turn came
		l.flushing = false
		l.out.Unlock()
		return
	}
	if !l.partly {
		l.tail = append(l.tail, l.frame(wire.Close, v.as)...)
		l.partly = true
	}
	if l.limit == nil && !l.ending {
		l.raw.SetWriteDeadline(deadline) //nolint:errcheck // Write tells
	}
	l.leaving = true
	n, err := l.pass(l.tail)
	l.leaving, l.flushing = false, false
	switch {
	case err == nil:
		l.closeLeft(v.frame)
	case !deadline.IsZero() && ranOut(err) && l.own == v && l.limit == nil && !l.ending:
		l.tail = l.tail[n:] // settle goes on with it
	default:
		if !l.ending {
			l.closeCame()
			l.handshake().sawEnd(err)
		}
		l.lose()
	}
	l.out.Unlock()
	l.settle()
}

// order waits until a Close of ours that the transport is taking, or is about to
// be given, has left: what came meanwhile may be the answer to it, and then ours
// was the first. A Read of a library that closes waits for a moment only.
func (l *link) order() {
	underWay := func() bool { return l.leaving || l.flushing }
	// A limit must not come first.
	l.await(l.guard.readGap(), func() bool { return underWay() && (l.taking || !l.closed) })
	if l.closed && !l.taking {
		l.await(min(patience, l.guard.readGap()/2), underWay)
	}
}

// await waits for what a Write under way changes, for no longer than d.
func (l *link) await(d time.Duration, wait func() bool) {
	if !wait() {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	for stuck := false; wait() && !stuck; {
		changed := l.out.Changed()
		l.mu.Unlock()
		select {
		case <-changed:
		case <-t.C:
			stuck = true
		}
		l.mu.Lock()
	}
}

// closeLeft takes note that a Close of ours is on the wire.
func (l *link) closeLeft(f CloseFrame) {
	now := l.guard.now()
	l.handshake().sentClose(f, now)
	l.decided()
	l.startClock()
	l.left = now
}

// startClock begins to count the limits of the closing handshake (rule 7).
func (l *link) startClock() {
	if c := l.needClosing(); c.since == 0 {
		c.since = l.guard.now()
		l.lastRead = c.since
		l.schedule()
	}
}

// limits are the moments at which something is due if nothing happens.
func (l *link) limits() (idle, total, gap instant) {
	o := &l.guard.opts
	idle = max(l.lastByte(), l.since, l.left) + o.CloseIdle
	total = l.since + o.CloseTimeout
	gap = total
	if !l.reading && !l.in.Locked() {
		gap = max(l.lastRead, l.since, l.left) + l.guard.readGap()
	}
	return idle, total, gap
}

// schedule makes sure that Wake is called when something is due. One that is
// called too early looks again, so an alarm is never put off.
func (l *link) schedule() {
	due := l.due()
	if due != 0 && (l.wake == 0 || due < l.wake) {
		l.wake = due
		l.guard.alarms.Set(l, due)
	}
}

// due is when something has to be done if nothing happens until then, 0: never.
func (l *link) due() instant {
	switch {
	case l.phase != phaseOpen, l.ending, l.last:
		return 0
	case l.since != 0:
		return min(l.limits())
	case l.life != nil && l.hs.open():
		due, _ := l.life.next(l)
		return due
	default:
		return 0
	}
}

// Place is where the guard's alarms keep the place of the link's.
func (l *link) Place() *int32 { return &l.alarm }

// Wake does what is due.
func (l *link) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wake = 0
	switch due := l.due(); {
	case due == 0:
		return
	case l.since != 0:
		l.tickClosing(l.guard.now())
	default:
		l.tickOpen(l.guard.now())
	}
	l.schedule()
}

func (l *link) tickClosing(now instant) {
	switch idle, total, gap := l.limits(); {
	case now >= idle && idle < total: // whichever was due first, however late it is
		l.expire(ErrCloseIdle)
	case now >= total:
		l.expire(ErrCloseTimeout)
	case now >= gap:
		l.drain(false)
	}
}

// expire ends the closing handshake at a limit.
func (l *link) expire(limit error) {
	if l.ending {
		return
	}
	l.needClosing().limit = limit
	l.giveUp()
	l.settle()
}

// giveUp decides what becomes of a Close of ours that is not out when the
// connection is cut short. Of one that is with the transport this is known only
// when its Write returns, which it does now that TCP is closed: see decide.
func (l *link) giveUp() {
	if l.leaving {
		l.needClosing().undecided = true
		return
	}
	l.lose()
	if l.hs.sent == nil {
		l.closeCame()
	}
	if l.limit == nil || l.hs.sent == nil {
		l.handshake().abort()
	}
}

// decide is giveUp when TCP is closed.
func (l *link) decide() {
	if !l.undecided {
		return
	}
	l.await(lastWait, func() bool { return l.leaving })
	l.leaving = false // of a transport whose Write never returns
	l.giveUp()
}

// leave does what is due when the library has closed its net.Conn: no silent
// end (rule 5). The cause counts if nothing has ended the connection before.
func (l *link) leave(cause error) {
	var bare CloseFrame
	if l.mute() {
		bare = l.bareClose()
	}
	if l.mute() {
		l.forsaken()
		if l.hs.open() && l.hs.timedOut == nil {
			l.needClosing().cause = join(l.cause, cause)
		}
		if f, ok := l.hs.last(bare); ok {
			l.begin(l.handshake().own(f))
		} else {
			l.handshake().abort()
		}
	}
	l.settle()
}

// mute reports whether no Close of ours is out or on its way, and one still
// could be.
func (l *link) mute() bool {
	return l.hs.sent == nil && l.own == nil && l.hs.down == nil && !l.hs.aborted
}

// bareClose is what a peer is told whose connection the library closes without
// a word. It gives mu up to ask the program.
func (l *link) bareClose() CloseFrame {
	if l.guard.opts.BareClose != NoClose && l.closedByPanic {
		return CloseFrame{Code: InternalError, Reason: internalError}
	}
	if !l.hs.open() || l.guard.shutdown() == nil {
		return CloseFrame{Code: l.guard.opts.BareClose}
	}
	info := l.info()
	l.mu.Unlock()
	defer l.mu.Lock()
	return l.guard.shutdownFrame(info)
}

// close is the library's Close of the net.Conn.
func (l *link) close(cause error) error {
	l.mu.Lock()
	if l.phase != phaseOpen {
		return l.closePlain()
	}
	defer l.mu.Unlock()
	if l.closed {
		return l.errClosed("close")
	}
	l.quit()
	if l.serving {
		l.wakeServed()
		return nil
	}
	if l.beneath || l.mute() {
		l.needClosing().closedByPanic = unwinding()
	}
	l.leave(cause)
	l.flushNow()
	return nil
}

// quit takes note that the library is done with the connection. Of a frame that
// it writes in pieces, and is not in a Write of, it owes the rest.
func (l *link) quit() {
	if l.closed {
		return
	}
	l.closed = true
	l.attend()
	if !l.out.Locked() && len(l.tail) == 0 && l.hs.timedOut == nil {
		l.keepTail(nil)
	}
}

// closePlain closes a connection that isn't guarded, with mu held on entry.
func (l *link) closePlain() error {
	if l.phase == phaseHTTP && !l.closed {
		l.refuse(0)
	}
	l.closed = true
	raw := l.raw
	l.mu.Unlock()
	return raw.Close()
}

// wakeCalls ends the calls of the library's that are blocked.
func (l *link) wakeCalls() {
	l.wakeRead()
	l.wakeWrite()
}

// wakeServed is wakeCalls while a handler runs. With TLS a Write that is under
// way is given the moment that flushNow gives it.
func (l *link) wakeServed() {
	l.wakeRead()
	if l.resumable {
		l.wakeWrite()
		return
	}
	time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wakeWrite()
	})
}

func (l *link) wakeRead() {
	if l.in.Locked() && !l.reading && !l.ending {
		l.raw.SetReadDeadline(past) //nolint:errcheck // a transport without deadlines can't be woken
	}
	l.in.Broadcast()
}

func (l *link) wakeWrite() {
	if l.out.Locked() && !l.flushing && !l.ending {
		l.raw.SetWriteDeadline(past) //nolint:errcheck // as above
	}
	l.out.Broadcast()
}

// awaitFlush gives the pending Close a moment to leave.
func (l *link) awaitFlush(d time.Duration) {
	if l.own == nil || l.ending && !l.undecided {
		return
	}
	if l.flushed == nil {
		l.flushed = make(chan struct{})
	}
	flushed := l.flushed
	l.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-flushed:
	case <-t.C:
	}
	l.mu.Lock()
}

var drainBuffers = sync.Pool{New: func() any { return new([4096]byte) }}

// drain takes over reading: what comes is discarded until the peer's Close,
// the end of its stream or a limit, so that no reset destroys our Close on its
// way (rule 6). With last both frames are there and only the peer's end is
// awaited.
func (l *link) drain(last bool) {
	c := l.needClosing()
	if c.reading {
		if last && !c.last {
			c.last = true
			c.lastBy = time.Now().Add(lastWait)
			l.raw.SetReadDeadline(c.lastBy) //nolint:errcheck // Read tells
		}
		return
	}
	c.reading = true
	if last {
		c.last, c.lastBy = true, time.Now().Add(lastWait)
	}
	if l.in.Locked() {
		l.raw.SetReadDeadline(past) //nolint:errcheck // as in wakeCalls
	}
	if len(c.rounds) == 0 {
		l.guard.linger(l)
	}
	l.guard.readers.Do(l.discard)
}

// slice is how long a closing connection is read while others wait to be.
const slice = 20 * time.Millisecond

// discard reads for the drain until the connection ends, or for a slice of time
// if other connections wait for it to be their turn.
func (l *link) discard() {
	buf := drainBuffers.Get().(*[4096]byte)
	defer drainBuffers.Put(buf)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return l.ending }) {
		return
	}
	l.taking = true
	defer func() {
		l.taking = false
		l.in.Unlock()
	}()
	for !l.ending {
		if l.last && l.late && !l.shut {
			// Both frames are out: the peer may know at once that nothing follows.
			l.shut = true
			l.mu.Unlock()
			endStream(l.raw)
			l.mu.Lock()
			continue
		}
		deadline, shared := l.lastBy, l.guard.readers.Waiting()
		if by := time.Now().Add(slice); shared && (deadline.IsZero() || by.Before(deadline)) {
			deadline = by
		} else {
			shared = false
		}
		l.raw.SetReadDeadline(deadline) //nolint:errcheck // Read tells
		l.mu.Unlock()
		n, err := l.raw.Read(buf[:])
		l.mu.Lock()
		if l.ending {
			return
		}
		if n > 0 {
			l.in.Touch(l.guard.now())
		}
		if l.left != 0 { // until then the other limits hold
			l.discarded += int64(n)
		}
		switch {
		case shared && n == 0 && ranOut(err):
			l.guard.readers.Do(l.discard)
			return
		case l.last && (err != nil || l.discarded > l.guard.opts.CloseBytes):
			l.end()
		case l.last:
		default:
			if gate := l.afterRead(buf[:n], err); gate != nil && n == 0 && !l.ending && !ranOut(err) {
				l.settleLost(err)
				return
			}
			if l.discarded > l.guard.opts.CloseBytes && !l.hs.complete() {
				l.expire(ErrCloseBytes)
			}
		}
	}
}

// settleLost ends a connection of which reading failed while the guard's Close
// is still on its way.
func (l *link) settleLost(err error) {
	l.handshake().sawEnd(err)
	l.lose()
	l.end()
}

// endStream ends our direction of the stream, without waiting long where TLS
// says goodbye to a peer that doesn't read.
func endStream(raw net.Conn) {
	tcp := innermost(raw)
	defer time.AfterFunc(lastWait, func() { tcp.SetWriteDeadline(past) }).Stop() //nolint:errcheck // best effort
	closeWrite(raw)
}

// ranOut reports whether a deadline ended a call. The kernel's ETIMEDOUT is a
// timeout, too, but it is the end of TCP.
func ranOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isTimeout(err error) bool {
	ne, ok := find[net.Error](err)
	return ok && ne.Timeout()
}
