// Package record writes down what goes over a server's connections, below the
// guard, as the kernel took and gave it, and holds close events against that.
// It reads the wire with rawpeer's parser, which shares no code with closeguard.
package record

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Recorder keeps the records of its listeners' connections by the paths of
// their requests.
type Recorder struct {
	// Pause, if not nil, is how long a Write in which a Close got whole takes to
	// return when the kernel has taken it: the answer may be there before.
	Pause func() time.Duration

	mu     sync.Mutex
	byPath map[string]*Record
}

// NewRecorder returns an empty Recorder.
func NewRecorder() *Recorder { return &Recorder{byPath: make(map[string]*Record)} }

// Listener returns l with its connections recorded.
func (r *Recorder) Listener(l net.Listener) net.Listener { return &listener{l, r, nil} }

// TLS is Listener for a server that speaks TLS: what is written down is what
// goes in and comes out above it, and the end of the TCP connection below.
func (r *Recorder) TLS(l net.Listener, config *tls.Config) net.Listener {
	return &listener{l, r, config}
}

type listener struct {
	net.Listener
	recorder *Recorder
	config   *tls.Config // nil without TLS
}

func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := nc.(*net.TCPConn)
	rec := &Record{TCP: tcp, Began: time.Now()}
	if l.config == nil {
		return &tcpConn{tcp, l.recorder, rec}, nil
	}
	return &tlsConn{tls.Server(&belowTLS{tcp, rec}, l.config), l.recorder, rec}, nil
}

// Of returns the record of the connection whose request had that path, nil
// before it was read.
func (r *Recorder) Of(path string) *Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byPath[path]
}

// All returns the records so far, by path.
func (r *Recorder) All() map[string]*Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]*Record, len(r.byPath))
	for path, rec := range r.byPath {
		all[path] = rec
	}
	return all
}

// Forget drops all records.
func (r *Recorder) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byPath = make(map[string]*Record)
}

// read takes note of a Read of a connection, write of a Write. With a single byte
// net/http looks whether a client has gone before its connection is hijacked;
// what it hears then it tells nobody.
func (r *Recorder) read(rec *Record, p []byte, n int, began time.Time, err error) {
	rec.mu.Lock()
	path, whole := rec.In.Take(p[:n], began, time.Now())
	if len(p) > 1 {
		rec.ends(&rec.In, err)
	}
	rec.mu.Unlock()
	if whole {
		r.mu.Lock()
		r.byPath[path] = rec
		r.mu.Unlock()
	}
}

func (r *Recorder) write(rec *Record, p []byte, began time.Time, err error) {
	rec.mu.Lock()
	had := rec.Out.Close != nil
	rec.Out.Take(p, began, time.Now())
	rec.ends(&rec.Out, err)
	whole := !had && rec.Out.Close != nil
	rec.mu.Unlock()
	if whole && r.Pause != nil {
		<-time.After(r.Pause())
		rec.Look(func(r *Record) { r.Out.Returned = time.Now() })
	}
}

// seenTCP are the methods of a TCP connection, without those that would go past Write:
// net.Buffers finds no writev in it.
type seenTCP interface {
	net.Conn
	syscall.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(noDelay bool) error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

// tcpConn has the methods of a TCP connection that the guard looks for.
type tcpConn struct {
	seenTCP
	recorder *Recorder
	record   *Record
}

func (c *tcpConn) Read(p []byte) (int, error) {
	began := time.Now()
	c.record.reading.Add(1)
	n, err := c.seenTCP.Read(p)
	c.recorder.read(c.record, p, n, began, err)
	c.record.stopReading()
	return n, err
}

// ResumesWrites says what the guard knows of a *net.TCPConn itself.
func (c *tcpConn) ResumesWrites() bool { return true }

func (c *tcpConn) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := c.seenTCP.Write(p)
	c.recorder.write(c.record, p[:n], began, err)
	return n, err
}

// CloseWrite is how the guard begins where it doesn't wait for the peer. Behind a
// line that hangs up it returns when a Read that was under way has heard of that.
func (c *tcpConn) CloseWrite() error {
	c.record.end(false)
	err := c.seenTCP.CloseWrite()
	if c.record.HangsUp.Load() {
		c.record.Wait(hangingUp, func(r *Record) bool { return r.reading.Load() == 0 })
	}
	return err
}

// hangingUp is how long a line that hangs up may take.
const hangingUp = 10 * time.Second

func (c *tcpConn) Close() error {
	c.record.end(true)
	return c.seenTCP.Close()
}

// tlsConn is the same for a connection over TLS. The guard finds what is below
// with its NetConn method.
type tlsConn struct {
	*tls.Conn
	recorder *Recorder
	record   *Record
}

func (c *tlsConn) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := c.Conn.Read(p)
	c.recorder.read(c.record, p, n, began, err)
	return n, err
}

func (c *tlsConn) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := c.Conn.Write(p)
	c.recorder.write(c.record, p[:n], began, err)
	return n, err
}

func (c *tlsConn) CloseWrite() error {
	c.record.end(false)
	return c.Conn.CloseWrite()
}

func (c *tlsConn) Close() error {
	c.record.end(false)
	return c.Conn.Close()
}

// belowTLS is the TCP connection below a recorded one over TLS.
type belowTLS struct {
	*net.TCPConn
	record *Record
}

func (c *belowTLS) CloseWrite() error {
	c.record.end(false)
	return c.TCPConn.CloseWrite()
}

func (c *belowTLS) Close() error {
	c.record.end(true)
	return c.TCPConn.Close()
}

// A Record is what went over one connection. Its fields are read in Wait and Look.
type Record struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change, made by whoever waits

	In, Out Stream
	Began   time.Time // when it was accepted
	Closed  time.Time // when the server's side began to end TCP
	Gone    bool      // the descriptor is closed
	TCP     *net.TCPConn
	HangsUp atomic.Bool // the line answers the guard's FIN with one

	reading atomic.Int32 // Reads under way
}

// Look calls f with the record at rest.
func (r *Record) Look(f func(*Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// Switched reports whether a 101 has left.
func (r *Record) Switched() (is bool) {
	r.Look(func(r *Record) { is = r.Out.Begun })
	return is
}

// end takes note that the server's side ends TCP.
func (r *Record) end(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Closed.IsZero() {
		r.Closed = time.Now()
	}
	r.Gone = r.Gone || gone
	r.change()
}

// ends takes note of how a direction ended. A deadline ends nothing, and what
// comes once the server's side ends TCP is none of the peer's doing.
func (r *Record) ends(s *Stream, err error) {
	if err != nil && r.Closed.IsZero() && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
		if s.Err == nil {
			s.Err, s.Ended = err, time.Now()
		}
		s.Said = append(s.Said, Causes(err)...)
	}
	r.change()
}

func (r *Record) stopReading() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reading.Add(-1)
	r.change()
}

func (r *Record) change() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Wait waits until holds, and reports whether it came to that in time.
func (r *Record) Wait(patience time.Duration, holds func(*Record) bool) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		r.mu.Lock()
		if holds(r) {
			r.mu.Unlock()
			return true
		}
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-late.C:
			return false
		}
	}
}
