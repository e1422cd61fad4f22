package closeguard

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// gorilla/websocket and coder/websocket read through a buffer of 4 KiB: a message of
// 64 KiB is 17 Reads, or 9 where io.ReadAll makes them larger. Inside a frame it is known
// how much must still come. So there the guard takes from the kernel what is there, up to
// the frame's end, and serves the next Reads from it.
//
// To the library it is as if the bytes were still in the kernel. They are scanned when it
// reads them, a Read fails that the deadline or a Close of the transport would make fail,
// and an end behind them is found behind them. Nothing behind the frame is read, so that
// what it may be, a Close or the end, waits where it is looked for. A Read waits with a
// buffer of its own only, as ever.

const (
	// mostAhead is how much is read ahead at a time, in bytes.
	mostAhead = 64 << 10

	// longestRead is how much a library may ask for at a time and still gain.
	longestRead = 8 << 10

	// mostRooms is how many connections of a guard's hold bytes at a time. The others
	// read as if there were no guard.
	mostRooms = 64
)

// ahead is what is read ahead on one connection. Whoever has the lock of the direction
// may touch it. A connection has one from its first long frame on; nil holds nothing.
type ahead struct {
	sock  syscall.RawConn
	rooms *rooms
	room  *[mostAhead]byte // nil: nothing is read ahead
	bytes []byte           // of room, what the library has not got yet

	// A Read under way, and what came of it.
	p    []byte
	most int
	n    int
	err  error

	attempt func(fd uintptr) bool // a.try
}

// rooms are what a guard's connections read ahead into.
type rooms struct{ taken atomic.Int32 }

var roomPool = sync.Pool{New: func() any { return new([mostAhead]byte) }}

// take returns a room, nil if there are too many.
func (r *rooms) take() *[mostAhead]byte {
	if r.taken.Add(1) > mostRooms {
		r.taken.Add(-1)
		return nil
	}
	return roomPool.Get().(*[mostAhead]byte)
}

// free gives a room back; nil is none.
func (r *rooms) free(room *[mostAhead]byte) {
	if room != nil {
		r.taken.Add(-1)
		roomPool.Put(room)
	}
}

// direct reports whether a Read of n bytes is none of this file's: nothing was read
// ahead, and the library is not inside a frame of which more is left. Each Read asks this.
func (in *inbound) direct(n int) bool {
	return in.scan.Left() <= uint64(n) && in.ahead.left() == 0
}

// left is how many bytes the library has not got yet.
func (a *ahead) left() int {
	if a == nil {
		return 0
	}
	return len(a.bytes)
}

// readAhead is a Read of the library's that may be about a long frame.
func (l *link) readAhead(p []byte) (int, error) {
	if n, err := l.readRest(p); n > 0 || err != nil {
		return n, err
	}
	if s := &l.in.scan; len(p) == 0 || len(p) > longestRead || s.Fault() != wire.NoFault || s.Opcode().Control() || !l.mayReadAhead() {
		return l.raw.Conn.Read(p)
	}
	return l.in.ahead.read(p, l.in.scan.Left(), l.raw)
}

// mayReadAhead reports whether the transport is a plain socket: what is read past
// another one may be half of something.
func (l *link) mayReadAhead() bool {
	if l.in.ahead != nil {
		return true
	}
	switch l.raw.Conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return false
	}
	sock, err := l.raw.Conn.(syscall.Conn).SyscallConn()
	if err != nil || !readsNow {
		return false
	}
	l.in.ahead = &ahead{sock: sock, rooms: &l.guard.rooms}
	l.in.ahead.attempt = l.in.ahead.try
	return true
}

// readRest is a Read of what was read ahead. It returns nothing if there is nothing.
func (l *link) readRest(p []byte) (int, error) {
	a := l.in.ahead
	if a.left() == 0 || len(p) == 0 {
		return 0, nil
	}
	if err := a.sock.Read(func(uintptr) bool { return true }); err != nil { // a deadline, or TCP is closed
		return 0, l.raw.readError(err)
	}
	return a.take(p), nil
}

// take hands on bytes that were read ahead.
func (a *ahead) take(p []byte) int {
	if a == nil {
		return 0
	}
	n := copy(p, a.bytes)
	if a.bytes = a.bytes[n:]; len(a.bytes) == 0 {
		a.drop()
	}
	return n
}

// drop forgets what was read ahead.
func (a *ahead) drop() {
	if a != nil {
		a.rooms.free(a.room)
		a.room, a.bytes = nil, nil
	}
}

// read is a Read of the transport's that takes more than p can hold if that is there, of
// the frame that has so much left.
func (a *ahead) read(p []byte, left uint64, raw transport) (int, error) {
	a.p, a.most = p, int(min(left, mostAhead))
	err := a.sock.Read(a.attempt)
	n := a.n
	switch {
	case err != nil: // no attempt came to anything
		n, err = 0, raw.readError(err)
	case errors.Is(a.err, io.EOF):
		err = io.EOF
	case a.err != nil:
		err = raw.readError(os.NewSyscallError("read", a.err))
	}
	a.p, a.n, a.err = nil, 0, nil
	return n, err
}

// try takes what the kernel has, and reports whether that is something, be it an end.
func (a *ahead) try(fd uintptr) bool {
	room := a.rooms.take()
	into := a.p
	if room != nil {
		into = room[:a.most]
	}
	n, err := readNow(fd, into)
	n = max(n, 0)
	if a.n = n; room != nil {
		a.n = copy(a.p, into[:n])
		a.room, a.bytes = room, into[a.n:n]
		if len(a.bytes) == 0 {
			a.drop()
		}
	}
	if a.err = err; err == nil && n == 0 {
		a.err = io.EOF
	}
	return !errors.Is(err, syscall.EAGAIN)
}

// readError is how a Read of the transport's tells of an error of its socket.
func (t transport) readError(err error) error {
	if op, ok := find[*net.OpError](err); ok {
		err = op.Err
	}
	return t.opError("read", err)
}
