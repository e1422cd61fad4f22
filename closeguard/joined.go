package closeguard

import (
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// gorilla/websocket hands over a frame that doesn't fit into its buffer in two pieces, by
// net.Buffers.WriteTo. On a *net.TCPConn that is one writev, and on every other net.Conn
// it is two calls of Write. So the first of these is held, and both leave as one.
//
// Nothing in the bytes says that another piece follows at once: a proxy that passes a
// frame on as it comes may pause behind each of them. Only the caller tells, and only one
// that is known never to stop behind the first piece. A connection has one library, which
// writes in one way: it is looked at once, at the first piece.
//
// What is held leaves ahead of whatever is written next. The guard itself writes nothing
// then, because the library is inside a frame. Close, CloseWrite and SetDeadline let it
// leave first. If nothing comes at all, which is not known to happen, a look finds it.

// joints are the pieces that are held at a time, of the connections that happen to be
// between two calls of Write.
type joints struct {
	slots [64]joint
	awake atomic.Bool // the timer is set
	mu    sync.Mutex  // guards the timer
	timer *time.Timer // a short one for each piece costs as much as a Write
}

const (
	// longestJoint is how long a piece may be that is held. Others are worth a Write.
	longestJoint = 8 << 10

	// jointLook is how long a piece is held that nothing follows.
	jointLook = 20 * time.Millisecond

	// jointPatience is how long a call waits for a piece to leave that it finds.
	jointPatience = time.Millisecond
)

// joint is a piece that is held. Whoever has the lock of the link's direction may touch
// it.
type joint struct {
	link    atomic.Pointer[link] // nil: nothing is held here
	leaving atomic.Bool          // a look has found it
	late    bool                 // the library knows that a deadline has kept it from leaving
	at      wire.Scanner         // where the wire is; the link's scanner is behind the piece
	rest    []byte               // of the piece, what has not left
	room    *[longestJoint]byte
	pieces  [2][]byte
	both    net.Buffers
}

var jointRooms = sync.Pool{New: func() any { return new([longestJoint]byte) }}

// handover is how the library hands over frames that it writes in pieces. Whoever has the
// lock of the direction knows it.
type handover uint8

const (
	handoverUnknown handover = iota
	handoverSingly           // none of the pieces is to be held
	handoverInTwo            // the second one follows at once
)

// beginsFrame reports whether p may be a piece to hold: the header of a data frame, and
// not all that follows it. Each Write asks this; hold looks more closely.
func beginsFrame(p []byte) bool {
	if len(p) < 4 || len(p) > longestJoint || wire.Opcode(p[0]&0xf) > wire.Binary {
		return false
	}
	n := p[1] & 0x7f
	return n == 127 || n == 126 && int(p[2])<<8+int(p[3]) > len(p)-4
}

// handsOverTwo are functions that call net.Buffers.WriteTo with two pieces, never with one.
var handsOverTwo = []string{"github.com/gorilla/websocket.(*Conn).writeBufs"}

// inTwo reports whether the library's Write, whose caller is so many calls up, is the
// first of two.
func inTwo(calls int) bool {
	var pcs [2]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(calls, pcs[:])])
	writes, _ := frames.Next()
	library, _ := frames.Next()
	return writes.Function == "net.(*Buffers).WriteTo" && slices.Contains(handsOverTwo, library.Function)
}

// slot is where a piece of the link's is held, if one is.
func (g *joints) slot(l *link) *joint { return &g.slots[l.number%uint64(len(g.slots))] }

// held is the piece that is held for the link, nil if there is none.
func (g *joints) held(l *link) *joint {
	if j := g.slot(l); j.link.Load() == l {
		return j
	}
	return nil
}

// hold holds p if it is the first of two pieces of a frame. The scanner stood at before,
// and stands behind p; skip is how many calls from here the caller of the library's Write
// is. Another connection's piece may be where it would be held.
func (g *joints) hold(l *link, p []byte, before wire.Scanner, skip int) bool {
	if !before.Between() || l.out.scan.Left() == 0 || !l.resumable {
		return false
	}
	if l.handover == handoverUnknown {
		l.handover = handoverSingly
		if inTwo(skip + 1) {
			l.handover = handoverInTwo
		}
	}
	if l.handover == handoverSingly {
		return false
	}
	j := g.slot(l)
	if !j.link.CompareAndSwap(nil, l) {
		return false
	}
	j.leaving.Store(false)
	j.at, j.late = before, false
	j.room = jointRooms.Get().(*[longestJoint]byte)
	j.rest = j.room[:copy(j.room[:], p)]
	g.wake(l.guard)
	return true
}

// free gives the slot back.
func (j *joint) free() {
	jointRooms.Put(j.room)
	j.room, j.rest, j.pieces, j.both = nil, nil, [2][]byte{}, nil
	j.link.Store(nil)
}

// writer is what writes to the transport, and before that what is held for the link.
func (g *joints) writer(l *link) io.Writer {
	if j := g.held(l); j != nil {
		return j
	}
	return l.raw.Conn
}

// Write is a Write of the transport's, of what is held and of p. What it returns is about
// p. What a deadline cuts off of the piece stays held.
func (j *joint) Write(p []byte) (int, error) {
	rest := j.rest
	j.pieces = [2][]byte{rest, p}
	j.both, j.rest = j.pieces[:], nil // if the transport panics, nobody knows what has left
	n, err := j.both.WriteTo(j.link.Load().raw.Conn)
	took := min(max(int(n), 0), len(rest))
	if j.rest = rest[took:]; len(j.rest) == 0 || err != nil && !ranOut(err) {
		j.free()
	} else {
		advance(&j.at, rest[:took])
	}
	return int(n) - took, err
}

// leaveYielding writes what is held for the link, and reports whether something was. It
// takes at most so long, and leaves that as the deadline of writing; 0: as long as the
// library's own Write may take.
func (g *joints) leaveYielding(l *link, within time.Duration) (held bool) {
	switch {
	case g.held(l) == nil:
		return false
	case within == 0:
		if !l.out.Lock(&l.mu, func() bool { return g.held(l) == nil }) {
			return true
		}
	default:
		if l.out.DisableFast(); l.out.Locked() {
			return true // what is written takes it along
		}
		l.out.LockNow()
		l.writeBy(time.Now().Add(within))
	}
	defer l.endWriteYielding()
	if _, err := l.passYielding(nil); err != nil && !ranOut(err) {
		l.writeFailed(nil, err) //nolint:errcheck // the next Write finds out
	}
	return true
}

// takeBack gives back what is held for the link as the start of what has not left, and
// leaves the link's scanner where the wire is.
func (g *joints) takeBack(l *link, rest []byte) []byte {
	j := g.held(l)
	if j == nil {
		return rest
	}
	l.out.scan = j.at
	rest = append(append([]byte(nil), j.rest...), rest...)
	j.free()
	return rest
}

// drop forgets what is held for the link: its connection has ended, or a Close of ours
// leaves in its place.
func (g *joints) drop(l *link) {
	if j := g.held(l); j != nil {
		j.free()
	}
}

// noteLate takes note that the library has seen the error of a deadline.
func (g *joints) noteLate(l *link) {
	if j := g.held(l); j != nil {
		j.late = true
	}
}

// between reports whether the wire is between two frames while nobody writes. A piece is
// not on it that the library doesn't take for sent.
func (g *joints) between(l *link) bool {
	if j := g.held(l); j != nil && j.late {
		return j.at.Between()
	}
	return l.out.scan.Between()
}

// wake sets the timer.
func (g *joints) wake(guard *Guard) {
	if g.awake.Load() || !g.awake.CompareAndSwap(false, true) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer == nil {
		g.timer = time.AfterFunc(jointLook, func() { g.look(guard) })
	} else {
		g.timer.Reset(jointLook)
	}
}

// look lets leave what is there.
func (g *joints) look(guard *Guard) {
	g.awake.Store(false) // what is held from now on wakes it again
	for i := range g.slots {
		j := &g.slots[i]
		if l := j.link.Load(); l != nil && j.leaving.CompareAndSwap(false, true) {
			guard.blockers.Do(func() { g.leave(l) })
		}
	}
}

// leave lets a piece leave that nothing has followed. A Write of nothing takes it along.
func (g *joints) leave(l *link) {
	defer l.survive()
	if g.held(l) != nil {
		l.writeLocked(nil, false) //nolint:errcheck // the next Write finds out
	}
}
