package closeguard

import (
	"context"
	"net"
	"runtime"
	"time"
	"weak"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Conn is a guarded net.Conn: what a WebSocket library reads from and writes
// to. Bytes pass as they are, but for what the closing handshake needs; see the
// package documentation for the rules.
//
// All methods may be called at the same time. A Conn that is dropped without
// being closed is closed and reported when the garbage collector finds it.
type Conn struct {
	link *link
	ctx  context.Context // of the request; see link.context

	left *left
}

// left is collected with the Conn, which alone holds it. The finalizer is here
// because what a finalizer's object leads to is kept: the Conn's context may lead
// back to the Conn, which then would never be found.
//
// The runtime lists finalizers and weak pointers by the 8 KiB of memory that they
// are in, and searches the list for each: with objects of 8 bytes, a thousand
// beside each other, opening one cost 25 µs beside 18,000.
type left struct {
	link *link
	_    [2]uintptr
}

var _ net.Conn = (*Conn)(nil)

// newConn makes the handle of a link. That it was dropped a finalizer tells: a
// cleanup does the same and takes more memory.
func newConn(l *link) *Conn {
	c := &Conn{link: l, ctx: l.opening.ctx, left: &left{link: l}}
	l.conn = weak.Make(c)
	runtime.SetFinalizer(c.left, func(left *left) { left.link.abandoned() })
	return c
}

// Read reads from the connection; see [net.Conn]. At a limit of the closing
// handshake it returns an error that is os.ErrDeadlineExceeded.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.link.read(p)
	runtime.KeepAlive(c)
	return n, err
}

// Write writes to the connection; see [net.Conn]. After a Close frame, pongs
// and further Closes are swallowed, and everything else fails with an error
// that is net.ErrClosed. A piece of a Close frame counts as written and is held
// until the frame is whole, and so does what is left of a frame that Close cut.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.link.write(p)
	runtime.KeepAlive(c)
	return n, err
}

// Close is what a library does when it is done with the connection. Blocked
// calls of Read and Write return, and so do all later ones, with an error that
// is net.ErrClosed. If no Close frame was sent, one is (Options.BareClose), and
// the guard finishes the closing handshake in the background.
func (c *Conn) Close() error {
	defer runtime.KeepAlive(c)
	return c.link.close(closing.BareClose)
}

// NetConn returns the connection below, for its options. Reading, writing or
// closing it goes past the guard.
func (c *Conn) NetConn() net.Conn { return c.link.raw }

// Role returns our role.
func (c *Conn) Role() Role { return c.link.role }

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
	if l.phase == phaseOpen {
		switch {
		case l.app.Closed:
			return l.errClosed("set")
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

// CloseWith sends a Close frame and waits until the connection has ended or
// ctx is done. It returns nil if the closing handshake was clean, else the
// close event; if ctx ends first, its error, and the handshake goes on.
//
// A frame that may not be sent is a *[FrameError]: nothing is sent, and the
// connection stays as it was. If the connection is closing already, by either
// side, nothing is sent and CloseWith waits. What the peer still sends is
// discarded unless somebody reads it.
func (c *Conn) CloseWith(ctx context.Context, code Code, reason string) error {
	defer runtime.KeepAlive(c)
	return c.link.closeWith(ctx, CloseFrame{Code: code, Reason: reason})
}

func (l *link) closeWith(ctx context.Context, f CloseFrame) error {
	if err := f.Validate(l.role); err != nil {
		return err
	}
	if !l.askToClose(f) {
		return errNotOpen
	}
	select {
	case <-l.waitDone():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ev := l.closeEvent(); !ev.Clean() {
		return ev
	}
	return nil
}

// askToClose begins a Close of ours, unless there is one. The guard reads for the
// answer as soon as nobody else does.
func (l *link) askToClose(f CloseFrame) (open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen {
		l.on(closing.Ask{Frame: f.inside(), Insist: true, Takeover: true})
		l.runYielding()
	}
	return l.phase == phaseOpen
}

// Abort ends TCP at once with a reset. Nothing is sent, and what was sent and
// not yet received may be lost.
func (c *Conn) Abort() {
	defer runtime.KeepAlive(c)
	c.link.abort()
}

// abort ends TCP without a closing handshake.
func (l *link) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.phase == phaseOpen:
		l.cutOff(closing.ByReset)
		l.runYielding()
	case l.raw != nil:
		raw := l.raw
		l.yield(func() { closeTransport(raw, closing.ByReset) })
	}
}

// cutOff ends the connection without a closing handshake. What follows is for run.
func (l *link) cutOff(how closing.Manner) {
	l.on(closing.CutOff{How: how, Reason: closing.Reason{Cause: closing.Aborted}})
}

// cutBare cuts a connection short that nobody has begun to close, and reports
// whether it is none.
func (l *link) cutBare() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.machine()
	if r := m.Record(); l.phase != phaseOpen || l.app.Serving || !r.Open() || m.Busy() {
		return false
	}
	l.cutOff(closing.CutUnread)
	l.runYielding()
	return true
}

// StrictEOF makes Read return an error that is neither io.EOF nor
// io.ErrUnexpectedEOF where the peer's stream ends inside a message. It is for
// a library that takes those for the end of the message, as coder/websocket
// does, and to be called before the first Read. The middleware finds out by
// itself.
func (c *Conn) StrictEOF() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.eofEndsMessage = true
}

// Extensions says what the opening handshake agreed on, in the words of its
// Sec-WebSocket-Extensions header. A Conn of [Guard.WrapConn] doesn't know, and
// judges no reserved bits of data frames. It is to be called before the first
// Read and Write.
func (c *Conn) Extensions(header string) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.claim(wire.Claims(header))
}

// CloseNow closes TCP at once; what was sent before arrives. No Close frame is
// sent, but if one was, by either side, the closing handshake is finished in the
// background. Under [Conn.Serve] it only wakes the reader, as Close does.
func (c *Conn) CloseNow() {
	defer runtime.KeepAlive(c)
	l := c.link
	if l.cutBare() {
		return
	}
	l.close(closing.NoCause) //nolint:errcheck // closed twice is closed
}

// Abandon does what the garbage collector's finding the Conn would do: it
// closes the connection with Options.BareClose and the cause [ErrAbandoned]. It
// is for an adapter whose library keeps the Conn alive. It doesn't block.
func (c *Conn) Abandon() {
	c.link.abandoned()
	runtime.KeepAlive(c)
}

func (l *link) abandoned() {
	if l.over.Load() {
		return
	}
	l.guard.callers.Do(func() {
		defer l.survive()
		l.close(closing.Abandoned) //nolint:errcheck // nobody is there to be told
	})
}

// Done is closed when the connection has ended and TCP is closed.
func (c *Conn) Done() <-chan struct{} { return c.link.waitDone() }

// Event returns how the connection ended as far as that is known now, nil
// while it is open.
func (c *Conn) Event() CloseEvent { return c.link.closeEvent() }

func (l *link) closeEvent() CloseEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.event(nil, false)
}
