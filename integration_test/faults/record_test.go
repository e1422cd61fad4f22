package faults

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A recorder writes down, by the paths of their requests, what went over the
// connections of its listeners, as the server's kernel took and gave it.
type recorder struct {
	mu     sync.Mutex
	byPath map[string]*record
}

// listener returns l with its connections recorded.
func (r *recorder) listener(l net.Listener) net.Listener { return &recordedListener{l, r} }

type recordedListener struct {
	net.Listener
	recorder *recorder
}

func (l *recordedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := nc.(*net.TCPConn)
	return &recordedConn{TCPConn: tcp, recorder: l.recorder, record: &record{tcp: tcp, began: time.Now()}}, nil
}

// of returns the record of the connection whose request had that path, nil
// before it was read.
func (r *recorder) of(path string) *record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byPath[path]
}

func (r *recorder) file(path string, rec *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byPath[path] = rec
}

// recordedConn has all methods of a TCP connection, which the guard looks for.
type recordedConn struct {
	*net.TCPConn
	recorder *recorder
	*record
}

func (c *recordedConn) Read(p []byte) (int, error) {
	began := time.Now()
	c.reading.Add(1)
	n, err := c.TCPConn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading.Add(-1)
	if path, ok := c.in.take(p[:n], began, time.Now()); ok {
		c.recorder.file(path, c.record)
	}
	c.ends(&c.in, err)
	return n, err
}

func (c *recordedConn) Write(p []byte) (int, error) {
	began := time.Now()
	n, err := c.TCPConn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.take(p[:n], began, time.Now())
	c.ends(&c.out, err)
	return n, err
}

// CloseWrite is how the guard begins where it doesn't wait for the peer. Behind a
// line that hangs up it returns when a Read that was under way has heard of that.
func (c *recordedConn) CloseWrite() error {
	c.end()
	err := c.TCPConn.CloseWrite()
	if c.hangsUp.Load() {
		c.wait(func(r *record) bool { return r.reading.Load() == 0 })
	}
	return err
}

func (c *recordedConn) Close() error {
	c.end()
	return c.TCPConn.Close()
}

// A record is what went over one connection.
type record struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change, made by whoever waits
	in, out stream
	began   time.Time // when it was accepted
	closed  time.Time // when the guard ended TCP
	tcp     *net.TCPConn
	reading atomic.Int32 // Reads under way
	hangsUp atomic.Bool  // the line answers the guard's FIN with one
}

// A stream is one direction.
type stream struct {
	head  []byte // the HTTP head, as far as it has come
	begun bool   // frames follow it: it asks for a WebSocket, or is a 101
	bytes int    // behind the head
	rest  []byte // not yet a whole frame

	close *rawpeer.Frame // the first Close
	began time.Time      // when the call began in which the Close got whole
	at    time.Time      // when that call returned
	after int            // bytes behind it

	err   error // how it ended, as the kernel said it first
	ended time.Time
	said  []string // all that the kernel said of it, in the words of causes: it tells a failure once
}

var headEnd = []byte("\r\n\r\n")

// take takes bytes that went over the wire. path is the request's if its head
// is whole now.
func (s *stream) take(p []byte, began, now time.Time) (path string, ok bool) {
	if !s.begun {
		s.head = append(s.head, p...)
		head, rest, whole := bytes.Cut(s.head, headEnd)
		if !whole {
			return "", false
		}
		line, _, _ := strings.Cut(string(head), "\r\n")
		words := strings.Fields(line)
		switch {
		case words[0] == "GET":
			path, _, _ = strings.Cut(words[1], "?")
		case words[1] != "101":
			return "", false
		}
		s.begun, s.head, p = true, nil, rest
		ok = true
	}
	s.bytes += len(p)
	if s.close != nil {
		s.after += len(p)
		return path, ok
	}
	s.rest = append(s.rest, p...)
	for s.close == nil {
		f, n := rawpeer.Parse(s.rest)
		if n == 0 {
			break
		}
		s.rest = s.rest[n:]
		if f.Opcode == rawpeer.OpClose {
			s.close, s.began, s.at, s.after = &f, began, now, len(s.rest)
		}
	}
	if len(s.rest) == 0 || s.close != nil {
		s.rest = nil
	}
	return path, ok
}

// switched reports whether a 101 has left.
func (r *record) switched() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.begun
}

// end takes note that the guard ends TCP.
func (r *record) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.IsZero() {
		r.closed = time.Now()
	}
	r.change()
}

// ends takes note of how a direction ended. A deadline ends nothing, and what
// comes once the guard ends TCP is none of the peer's doing.
func (r *record) ends(s *stream, err error) {
	if err != nil && r.closed.IsZero() && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
		if s.err == nil {
			s.err, s.ended = err, time.Now()
		}
		s.said = append(s.said, causes(err)...)
	}
	r.change()
}

func (r *record) change() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// wait waits until holds, and reports whether it came to that in time.
func (r *record) wait(holds func(*record) bool) bool {
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

// causes are what of an ending an application can tell with errors.Is, in a word
// each.
func causes(err error) (words []string) {
	for _, c := range []struct {
		word    string
		targets []error
	}{
		{"FIN", []error{io.EOF, io.ErrUnexpectedEOF}},
		{"reset", []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"killed", []error{syscall.ECONNABORTED}},
		{"timeout", []error{syscall.ETIMEDOUT}},
	} {
		if slices.ContainsFunc(c.targets, func(target error) bool { return errors.Is(err, target) }) {
			words = append(words, c.word)
		}
	}
	return words
}
