package coder

import (
	"context"
	"io"

	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// Read is the library's method; its terminal errors are close events.
func (c *Conn) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	call := c.begin(ctx)
	t, p, err := c.Conn.Read(ctx)
	c.heard(err)
	return t, p, c.end(call, err, reading)
}

// Reader is the library's method; its terminal errors and the reader's are
// close events.
func (c *Conn) Reader(ctx context.Context) (websocket.MessageType, io.Reader, error) {
	call := c.begin(ctx)
	t, r, err := c.Conn.Reader(ctx)
	c.heard(err)
	if err = c.end(call, err, reading); err != nil {
		return t, r, err
	}
	own := &c.needStreams().reader
	*own = messageReader{c, r, ctx}
	return t, own, nil
}

type messageReader struct {
	conn *Conn
	r    io.Reader
	ctx  context.Context
}

func (m *messageReader) Read(p []byte) (int, error) {
	call := m.conn.begin(m.ctx)
	n, err := m.r.Read(p)
	if err == io.EOF {
		return n, call.Keep(err)
	}
	return n, m.conn.end(call, err, reading)
}

// Ping is the library's method; its terminal errors are close events. A context
// that ends while the pong is awaited leaves the connection open.
func (c *Conn) Ping(ctx context.Context) error {
	call := c.begin(ctx)
	return c.end(call, c.Conn.Ping(ctx), writing)
}

// CloseRead reads in the background, so that pings and a Close are answered
// while the program only writes. The returned context ends with the connection,
// and its cause is the close event. A data message from the peer closes the
// connection with 1008. When ctx ends, the connection does: if the context's cause
// is a closeguard.Error, that is sent; else the program has a second in which
// CloseWith still sends its Close. A second call returns the first one's context.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	only := &c.needStreams().closeRead
	only.once.Do(func() {
		done, cancel := context.WithCancelCause(ctx)
		only.ctx = done
		go func() { cancel(c.readToEnd(ctx)) }()
	})
	return only.ctx
}

// readToEnd is what CloseRead does in the background. Whatever ends the reading
// ends the connection, as in the library.
func (c *Conn) readToEnd(ctx context.Context) error {
	call := c.begin(ctx)
	_, _, err := c.Conn.Reader(ctx)
	if err == nil {
		call.Keep(nil)                                                          //nolint:errcheck // there is none
		c.CloseWith(ctx, closeguard.PolicyViolation, "unexpected data message") //nolint:errcheck // the event tells
		c.Conn.CloseNow()                                                       // the same
		return c.Event()
	}
	if c.Conn.CloseNow() == nil {
		c.needStreams().closeRead.freed.Store(true) // the program's is still to come
	}
	err = c.end(call, err, reading)
	if !c.Guarded() {
		c.guard.Driver().Closed()
	}
	return err
}
