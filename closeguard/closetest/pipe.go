package closetest

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Pipe returns the two ends of a full-duplex connection in memory that buffers 64 KiB each way.
//
// Unlike [net.Pipe] it behaves like TCP over Linux's loopback. A Write returns once its
// bytes are buffered and blocks while the buffer is full; a Read takes what is there. An
// end can be closed for writing alone, an end that closes with unread data resets the
// connection, and deadlines, resets and closing give the errors of package net, in a
// [*net.OpError] whose Net is "pipe". Buffers take memory only while they hold data.
//
// What an end sees when its peer has gone, measured on Linux 6.18:
//
//   - After CloseWrite, or Close with nothing unread, Read returns the buffered bytes and
//     then [io.EOF].
//   - After Close, Write takes what fits into one buffer, which is lost, and returns
//     [syscall.EPIPE] for the rest and for every later byte.
//   - After a reset, Read still returns the buffered bytes. [syscall.ECONNRESET] is then
//     told once: to a Write that the reset interrupts, or else to the next Write or the
//     next Read of the emptied buffer. After it Write returns EPIPE and Read io.EOF. If
//     the peer had closed for writing before it reset, ECONNRESET is not told.
//
// It differs from TCP in this: a byte that Write took has arrived, so that a reset loses
// none of the bytes sent before it, where TCP loses those that the receiver's window had
// no room for. The peer learns of everything at once.
func Pipe() (a, b *PipeConn) { return PipeSize(64 << 10) }

// PipeSize is [Pipe] with buffers of n bytes each way. It panics if n is less than 1.
func PipeSize(n int) (a, b *PipeConn) {
	if n < 1 {
		panic(fmt.Sprintf("closetest: PipeSize(%d): a buffer holds at least 1 byte", n))
	}
	p := new(struct {
		mu   sync.Mutex
		a, b PipeConn
	})
	p.a.init(&p.mu, &p.b, n)
	p.b.init(&p.mu, &p.a, n)
	return &p.a, &p.b
}

// A PipeConn is one end of a [Pipe]. It is a [net.Conn] with the methods of a
// [*net.TCPConn] that matter for closing. All methods may be called concurrently.
// Concurrent Writes do not mix: the bytes of each stay together.
type PipeConn struct {
	mu   *sync.Mutex // of the pair: held over state, never while waiting
	peer *PipeConn
	addr pipeAddr
	size int // of in, in bytes

	in      queue // written by the peer, not yet read here
	fin     bool  // nothing comes after in
	reset   reset // whether the connection was reset
	closed  bool  // by Close
	linger0 bool  // Close resets
	writing bool  // a Write has begun; others wait for their turn

	rd, wr        side
	reads, writes atomic.Int64
}

// reset says whether the connection was reset under an end, and whether the end has been told.
type reset uint8

const (
	noReset reset = iota
	resetUntold
	resetTold
)

func (c *PipeConn) init(mu *sync.Mutex, peer *PipeConn, size int) {
	c.mu, c.peer, c.size = mu, peer, size
	c.addr = newAddr()
	c.rd.wake.L, c.wr.wake.L = mu, mu
}

// Read reads up to len(p) bytes. It blocks until there is a byte, the peer's end of data,
// a reset, the deadline or Close.
func (c *PipeConn) Read(p []byte) (n int, err error) {
	c.reads.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 0 && !c.closed { // as package net: not even the deadline counts
		return 0, nil
	}
	for {
		if err := c.usable(&c.rd); err != nil {
			return 0, c.opError("read", err)
		}
		switch {
		case c.in.n > 0:
			if c.peer.writing {
				c.peer.wr.wake.Broadcast()
			}
			return c.in.read(p), nil
		case c.fin:
			return 0, io.EOF
		case c.reset == resetUntold && !c.writerWaits():
			c.reset = resetTold
			return 0, c.opError("read", os.NewSyscallError("read", syscall.ECONNRESET))
		case c.reset != noReset:
			return 0, io.EOF
		}
		c.rd.wake.Wait()
	}
}

// Write writes p and returns how many of its bytes were buffered for the peer: all of
// them unless err is not nil. It blocks while the buffer is full, until a reset, the
// deadline, CloseWrite or Close.
func (c *PipeConn) Write(p []byte) (n int, err error) {
	c.writes.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, err = c.write(p); err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

func (c *PipeConn) write(p []byte) (n int, err error) {
	for c.writing {
		c.wr.wake.Wait()
	}
	c.writing = true
	defer func() {
		c.writing = false
		c.wr.wake.Broadcast()
	}()
	for {
		if err := c.usable(&c.wr); err != nil {
			return n, err
		}
		switch {
		case c.reset == resetUntold:
			c.reset = resetTold
			return n, os.NewSyscallError("write", syscall.ECONNRESET)
		case c.reset == resetTold, c.peer.fin:
			return n, os.NewSyscallError("write", syscall.EPIPE)
		}
		n += c.send(p[n:])
		if n == len(p) {
			return n, nil
		}
		if c.reset == noReset {
			c.wr.wake.Wait()
		}
	}
}

// send buffers what there is room for and returns how much that was.
func (c *PipeConn) send(p []byte) int {
	to := c.peer
	p = p[:min(len(p), to.size-to.in.n)]
	switch {
	case len(p) == 0:
	case to.closed: // the bytes go out, and a reset comes back
		c.reset = resetTold
	default:
		to.in.write(p)
		to.rd.wake.Broadcast()
	}
	return len(p)
}

// writerWaits reports whether a Write is there to be told of a reset: Linux tells it
// rather than a Read.
func (c *PipeConn) writerWaits() bool { return c.writing && !c.wr.passed() }

// CloseWrite ends the data towards the peer, which reads io.EOF after what is buffered.
// Data of the peer can still be read. Later Writes, and one that is blocked, return
// EPIPE. A second call does nothing. Once neither end can write any more, and after a
// reset, the error is [syscall.ENOTCONN].
func (c *PipeConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return c.opError("close", net.ErrClosed)
	case c.reset != noReset, c.fin && c.peer.fin:
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.peer.fin = true
	c.peer.rd.wake.Broadcast()
	c.wr.wake.Broadcast()
	return nil
}

// SetLinger chooses what Close does, as [net.TCPConn.SetLinger] does. With sec 0 Close
// resets the connection. With any other sec it does not, unless data is unread; Close
// never waits.
func (c *PipeConn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.linger0 = sec == 0
	return nil
}

// Reset closes the connection with a reset: SetLinger(0) and Close in one.
func (c *PipeConn) Reset() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.close(true)
}

// Close closes the connection. The peer reads what is buffered and then io.EOF, or is
// told of a reset if data that it wrote was not read here. All Reads and Writes of this
// end return [net.ErrClosed] from then on, those that are blocked included, and so does a
// second Close.
func (c *PipeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.close(c.linger0)
}

func (c *PipeConn) close(hard bool) error {
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	if p := c.peer; p.reset == noReset && (hard || c.in.n > 0) {
		p.reset = resetUntold
		if p.fin {
			p.reset = resetTold
		}
	} else if p.reset == noReset {
		p.fin = true
	}
	c.in.discard()
	for _, s := range []*side{&c.rd, &c.wr} {
		s.set(time.Time{})
		s.wake.Broadcast()
	}
	c.peer.wr.wake.Broadcast()
	c.peer.rd.wake.Broadcast()
	return nil
}

// SetDeadline sets the deadlines of Read and Write.
func (c *PipeConn) SetDeadline(t time.Time) error { return c.setDeadline(t, &c.rd, &c.wr) }

// SetReadDeadline sets the deadline of Read, for calls that are blocked as well. From t
// on Read returns [os.ErrDeadlineExceeded] and takes no byte, until another deadline is
// set. The zero Time is no deadline.
func (c *PipeConn) SetReadDeadline(t time.Time) error { return c.setDeadline(t, &c.rd) }

// SetWriteDeadline sets the deadline of Write, for calls that are blocked as well. From t
// on Write returns [os.ErrDeadlineExceeded] and buffers no further byte, until another
// deadline is set. The zero Time is no deadline.
func (c *PipeConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(t, &c.wr) }

func (c *PipeConn) setDeadline(t time.Time, sides ...*side) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	for _, s := range sides {
		s.set(t)
	}
	return nil
}

// ResumesWrites says that a Write that was cut by a deadline can be gone on with,
// as with TCP.
func (c *PipeConn) ResumesWrites() bool { return true }

// LocalAddr returns this end's address, with the network "pipe" and a host and port. No
// other end in the process has it, but that the server's ends of a [Listener] share the
// listener's.
func (c *PipeConn) LocalAddr() net.Addr { return c.addr }

// RemoteAddr returns the peer's address.
func (c *PipeConn) RemoteAddr() net.Addr { return c.peer.addr }

// Reads returns how often Read was called on this end.
func (c *PipeConn) Reads() int64 { return c.reads.Load() }

// Writes returns how often Write was called on this end.
func (c *PipeConn) Writes() int64 { return c.writes.Load() }

func (c *PipeConn) usable(s *side) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case s.passed():
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *PipeConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.addr.Network(), Source: c.addr, Addr: c.peer.addr, Err: err}
}

// A side is the reads or the writes of one end: where they wait, and until when.
type side struct {
	wake  sync.Cond // not a channel: broadcasting allocates nothing; synctest knows both
	at    time.Time // the deadline; zero: none
	timer *time.Timer
}

// passed compares times rather than keep what the timer did: in fake time several things
// happen at one instant, and whichever goroutine runs first, nothing is transferred at
// the deadline.
func (s *side) passed() bool { return !s.at.IsZero() && !time.Now().Before(s.at) }

// set is called with the pair's lock held.
func (s *side) set(t time.Time) {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.at = t; t.IsZero() {
		return
	}
	left := time.Until(t)
	s.at = time.Now().Add(left) // counts on the monotonic clock, as the timer does
	switch {
	case left <= 0:
		s.wake.Broadcast()
	case s.timer == nil:
		s.timer = time.AfterFunc(left, func() {
			s.wake.L.Lock()
			defer s.wake.L.Unlock()
			s.wake.Broadcast()
		})
	default:
		s.timer.Reset(left)
	}
}

// A queue holds bytes in chunks that go back to a pool once read: 15,000 idle pipes hold none.
type queue struct {
	n           int // bytes held
	first, last *chunk
	start, end  int // of the bytes in first, in last
}

type chunk struct {
	next *chunk
	data [4096 - 16]byte // 4 KiB with next and the allocator's header
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

func (q *queue) write(p []byte) {
	q.n += len(p)
	for len(p) > 0 {
		if q.last == nil || q.end == len(q.last.data) {
			c := chunks.Get().(*chunk)
			if q.last == nil {
				q.first = c
			} else {
				q.last.next = c
			}
			q.last, q.end = c, 0
		}
		k := copy(q.last.data[q.end:], p)
		q.end += k
		p = p[k:]
	}
}

func (q *queue) read(p []byte) (n int) {
	for n < len(p) && q.n > 0 {
		k := min(q.n, len(q.first.data)-q.start, len(p)-n)
		copy(p[n:n+k], q.first.data[q.start:])
		n, q.n, q.start = n+k, q.n-k, q.start+k
		if q.n == 0 || q.start == len(q.first.data) {
			q.drop()
		}
	}
	return n
}

func (q *queue) discard() {
	for q.first != nil {
		q.drop()
	}
	q.n = 0
}

// drop gives the first chunk back.
func (q *queue) drop() {
	c := q.first
	q.first, q.start = c.next, 0
	if q.first == nil {
		q.last = nil
	}
	c.next = nil
	chunks.Put(c)
}

// A pipeAddr is an address that net.SplitHostPort understands, as servers expect of their
// clients' addresses.
type pipeAddr uint64

var lastAddr atomic.Uint64

func newAddr() pipeAddr { return pipeAddr(lastAddr.Add(1)) }

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return "pipe:" + strconv.FormatUint(uint64(a), 10) }
