package closeguard

import (
	"context"
	"io"
	"net"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// past is a deadline that wakes whoever is blocked.
var past = time.Unix(1, 0)

// transport is what the guard reads from and writes to: TCP, or TLS on it, or a
// wrapper of the program's.
type transport struct{ net.Conn }

// resumesWrites reports whether a Write that was cut by a deadline says exactly
// how much left, and can be gone on with: TCP and Unix sockets, and transports that
// say so. TLS may hide below any wrapper.
func (t transport) resumesWrites() bool {
	if t.speaksTLS() {
		return false // whatever it embeds
	}
	switch nc := t.Conn.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	case interface{ ResumesWrites() bool }:
		return nc.ResumesWrites()
	default:
		return false
	}
}

// attach gives the link its transport.
func (l *link) attach(raw net.Conn) {
	l.raw = transport{raw}
	l.resumable = l.raw.resumesWrites()
	if a := raw.RemoteAddr(); l.remote == "" && a != nil {
		l.remote = a.String()
	}
}

// errClosed is what a call on a connection returns that the library closed.
func (t transport) errClosed(op string) error { return t.opError(op, net.ErrClosed) }

// opError is an error as the package net tells it.
func (t transport) opError(op string, err error) error {
	e := &net.OpError{Op: op, Source: t.LocalAddr(), Addr: t.RemoteAddr(), Err: err}
	if e.Source != nil {
		e.Net = e.Source.Network()
	}
	return e
}

// closeAs ends TCP.
func (t transport) closeAs(how closing.Manner) {
	tcp := innermost(t.Conn)
	switch how {
	case closing.Orderly:
		if tcp != t.Conn {
			// TLS says goodbye first, and would wait 5 s for room to do so.
			defer time.AfterFunc(closing.LastWait, func() { tcp.Close() }).Stop()
		}
		t.Close()
		return
	case closing.Cut:
		closeWrite(tcp)
	case closing.CutUnread:
		closeWrite(tcp)
		if _, ok := tcp.(syscall.Conn); ok { // only the kernel resets for unread bytes
			tcp.SetReadDeadline(time.Now().Add(time.Millisecond)) //nolint:errcheck // Read tells
			io.CopyN(io.Discard, tcp, 1<<20)                      //nolint:errcheck // as much as there is
		}
	case closing.ByReset:
		if c, ok := tcp.(interface{ SetLinger(sec int) error }); ok {
			c.SetLinger(0) //nolint:errcheck // Close follows
		}
	}
	tcp.Close()
	if tcp != t.Conn {
		t.Close() // now it can't block
	}
}

// halfClose ends our direction of the stream, without waiting long where TLS
// says goodbye to a peer that doesn't read.
func (t transport) halfClose() {
	tcp := innermost(t.Conn)
	defer time.AfterFunc(closing.LastWait, func() { tcp.SetWriteDeadline(past) }).Stop() //nolint:errcheck // best effort
	closeWrite(t.Conn)
}

// closeWrite ends our direction, if the transport can.
func closeWrite(nc net.Conn) {
	if c, ok := nc.(interface{ CloseWrite() error }); ok {
		c.CloseWrite() //nolint:errcheck // what follows closes the rest
	}
}

// innermost follows NetConn methods, as crypto/tls has one, to the bottom.
func innermost(nc net.Conn) net.Conn {
	for {
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		inner := w.NetConn()
		if inner == nil {
			return nc
		}
		nc = inner
	}
}

// speaksTLS reports whether there is a TLS connection in it or below it.
func (t transport) speaksTLS() bool {
	for nc := t.Conn; nc != nil; {
		if _, ok := nc.(interface{ HandshakeContext(context.Context) error }); ok {
			return true
		}
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return false
		}
		nc = w.NetConn()
	}
	return false
}

// readBy and writeBy set a deadline of the guard's own. A transport that fails or
// panics there can't be woken, like one without deadlines.
func (l *link) readBy(t time.Time) {
	defer l.surviveLocked()
	l.raw.SetReadDeadline(t) //nolint:errcheck // see above
}

func (l *link) writeBy(t time.Time) {
	defer l.surviveLocked()
	l.raw.SetWriteDeadline(t) //nolint:errcheck // see above
}

// closeTCPYielding closes TCP in the caller if that takes no time.
func (l *link) closeTCPYielding(how closing.Manner) {
	if _, tcp := l.raw.Conn.(*net.TCPConn); !tcp || how != closing.Orderly {
		l.closeTCPLater(how)
		return
	}
	if n, _ := unreadBytes(l.raw.Conn); n > 0 {
		l.closeTCPLater(closing.CutUnread) // else it is a reset, behind which our Close may be lost
		return
	}
	l.yield(func() { l.raw.Close() }) // nobody is there to be told
	l.on(closing.TCPClosed{})
}

// closeTCPLater closes TCP in a goroutine of the guard's: it may block, as TLS does.
func (l *link) closeTCPLater(how closing.Manner) {
	l.guard.closers.Do(func() {
		defer l.survive()
		defer l.happened(closing.TCPClosed{})
		l.raw.closeAs(how)
	})
}

// survive keeps a panic of a transport's in a goroutine of the guard's from
// ending the process, which nobody else could. The caller doesn't have mu.
func (l *link) survive() {
	if v := recover(); v != nil {
		l.guard.logPanic(l.observed(), "the transport", v)
	}
}

// surviveLocked is survive with mu, under which nothing is logged.
func (l *link) surviveLocked() {
	if v := recover(); v != nil {
		stack := debug.Stack()
		l.guard.callers.Do(func() { l.guard.logPanicAt(context.Background(), "the transport", v, stack) })
	}
}
