package closetest

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// Listen returns a listener in memory. Its connections are those of [Pipe].
func Listen() *Listener {
	return &Listener{addr: newAddr(), conns: make(chan *PipeConn), done: make(chan struct{})}
}

// A Listener is a [net.Listener] whose Dial takes the place of the network, so that
// servers and clients meet inside a synctest bubble. All methods may be called
// concurrently. Unlike TCP it has no backlog: Dial waits for Accept, and Close loses no
// connection.
type Listener struct {
	addr   pipeAddr
	conns  chan *PipeConn
	done   chan struct{} // closed by Close
	closed atomic.Bool
}

// Accept waits for a Dial and returns the server's end, a [*PipeConn]. After Close the
// error is a [*net.OpError] with [net.ErrClosed].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, l.opError("accept", net.ErrClosed)
	}
}

// Dial waits until Accept takes the connection and returns the client's end, a
// [*PipeConn]. Its error is a [*net.OpError] with ctx's error, or with
// [syscall.ECONNREFUSED] once the listener is closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.opError("dial", err)
	}
	client, server := Pipe()
	server.addr = l.addr
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, l.opError("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return nil, l.opError("dial", ctx.Err())
	}
}

// Close ends waiting and later Accepts and Dials. Connections that were accepted live on.
// A second Close returns a [*net.OpError] with [net.ErrClosed].
func (l *Listener) Close() error {
	if l.closed.Swap(true) {
		return l.opError("close", net.ErrClosed)
	}
	close(l.done)
	return nil
}

// Addr returns the listener's address. It is the RemoteAddr of every client.
func (l *Listener) Addr() net.Addr { return l.addr }

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}
