package closeguard

import (
	"context"
	"net"
	"runtime"
	"time"
	"weak"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// Conn is a guarded net.Conn: what a WebSocket library reads from and writes
// to. Bytes pass as they are, but for what the closing handshake needs; see the
// package documentation for the rules.
//
// All methods may be called at the same time, those of its [Handle] too. A Conn
// that is dropped without being closed is closed and reported when the garbage
// collector finds it.
type Conn struct {
	Handle
	ctx context.Context // of the request; see link.context

	watched watched // contexts of calls
}

var _ net.Conn = (*Conn)(nil)

// canceled is the context of a call that is under way if it has ended, nil if none has.
// The Conn may be nil: it was dropped, and there are no calls.
func (c *Conn) canceled() context.Context {
	if c == nil {
		return nil
	}
	return c.watched.canceled()
}

// newConn makes the handle of a link.
func newConn(l *link) *Conn {
	c := &Conn{Handle: Handle{l}, ctx: l.opening.ctx}
	l.conn = weak.Make(c)
	return c
}

// Read reads from the connection; see [net.Conn]. At a limit of the closing
// handshake it returns an error that is os.ErrDeadlineExceeded. On TCP and Unix sockets
// it may take more from the kernel than it returns, up to 64 KiB of the frame that it is
// in, for at most 64 connections of a guard at a time; the next Reads return that.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.link.read(p)
	runtime.KeepAlive(c)
	return n, err
}

// Write writes to the connection; see [net.Conn]. After a Close frame, pongs
// and further Closes are swallowed, and everything else fails with an error
// that is net.ErrClosed. A piece of a Close frame counts as written and is held
// until the frame is whole, and so does what is left of a frame that Close cut, and
// the first of two pieces that gorilla/websocket hands over at once.
func (c *Conn) Write(p []byte) (n int, err error) {
	if c.link.out.TryLock() {
		n, err = c.link.writeFast(p)
	} else {
		n, err = c.link.writeSlow(p)
	}
	runtime.KeepAlive(c)
	return n, err
}

// Close is what a library does when it is done with the connection. Blocked
// calls of Read and Write return, and so do all later ones, with an error that
// is net.ErrClosed. If no Close frame was sent, Options.BareClose says whether one
// is; if one is or was, the guard finishes the closing handshake in the background.
func (c *Conn) Close() error {
	defer runtime.KeepAlive(c)
	return c.link.close(cause.BareClose)
}

// NetConn returns the connection below, for its options. Reading, writing or
// closing it goes past the guard. Inside a frame the guard may have read what the
// library has not got yet.
func (c *Conn) NetConn() net.Conn { return c.link.raw.Conn }

// LocalAddr returns our address.
func (c *Conn) LocalAddr() net.Addr { return c.link.raw.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.link.raw.RemoteAddr() }

// SetDeadline sets both deadlines; see [net.Conn]. While the connection is
// closing, deadlines may shorten the library's calls and never prolong the
// handshake; what the guard reads and writes itself has only the guard's limits.
func (c *Conn) SetDeadline(t time.Time) error { return c.link.setDeadlines(true, true, t) }

// SetReadDeadline sets the deadline of Read; see SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.link.setDeadlines(true, false, t) }

// SetWriteDeadline sets the deadline of Write; see SetDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.link.setDeadlines(false, true, t) }

func (l *link) setDeadlines(read, write bool, t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if write {
		l.guard.joints.leaveYielding(l, jointPatience)
	}
	if l.phase == phaseOpen {
		switch {
		case l.app.Closed && (read || !l.end.awaitsWord()):
			return l.raw.errClosed("set")
		case l.machine().Stage() >= closing.Ending:
			return nil
		}
		read, write = read && l.machine().Reader() < closing.Queued, write && !l.machine().GuardSends()
	}
	if write && l.life != nil {
		if at := l.life.setWriteDeadline(t); !at.Equal(t) {
			write = false
			l.raw.SetWriteDeadline(at) //nolint:errcheck // the ping's Write tells
		}
	}
	switch {
	case read && write:
		return l.raw.SetDeadline(t)
	case read:
		return l.raw.SetReadDeadline(t)
	case write:
		return l.raw.SetWriteDeadline(t)
	default:
		return nil
	}
}

// askToClose begins a Close of ours, unless there is one. The guard reads for the
// answer as soon as nobody else does.
func (l *link) askToClose(f CloseFrame) (open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen {
		l.on(closing.Ask{Frame: f.inside(), Insist: true, Takeover: true})
		if l.app.Gone() {
			l.finishCloseYielding()
		} else {
			l.runYielding()
		}
	}
	return l.phase == phaseOpen
}

// abort ends TCP without a closing handshake.
func (l *link) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.phase == phaseOpen:
		l.failYielding(closing.ByReset)
	case l.raw.Conn != nil:
		raw := l.raw
		l.yield(func() { raw.closeAs(closing.ByReset) })
	}
}

// failYielding ends the connection without a closing handshake: it fails it, as
// RFC 6455 section 7.1.7 says.
func (l *link) failYielding(how closing.Manner) {
	l.on(closing.CutOff{How: how, Reason: closing.Reason{Cause: cause.Aborted}})
	l.runYielding()
}

// closeEvent is what is known now. If the peer's Close is there while the Write of ours
// is still to return, that was the first, unless it couldn't leave: it is worth a moment.
func (l *link) closeEvent() CloseEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := l.machine(); m.TheirCloseCame() && m.Record().Open() {
		l.end.ours.awaitYielding(closing.LastWait)
	}
	return l.event(nil, false)
}

// Driver is for the authors of adapters.
func (c *Conn) Driver() driver.Conn { return connDriver{c} }
