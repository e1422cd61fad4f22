package coder

import (
	"context"
	"io"
	"runtime"

	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// Read is the library's method; its terminal errors are close events.
func (c *Conn) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	defer runtime.KeepAlive(c)
	call := c.begin(ctx)
	t, p, err := c.Conn.Read(ctx)
	return t, p, c.end(call, err)
}

// Reader is the library's method; its terminal errors and the reader's are
// close events.
func (c *Conn) Reader(ctx context.Context) (websocket.MessageType, io.Reader, error) {
	defer runtime.KeepAlive(c)
	call := c.begin(ctx)
	t, r, err := c.Conn.Reader(ctx)
	if err = c.end(call, err); err != nil {
		return t, r, err
	}
	c.reader = messageReader{c, r, ctx}
	return t, &c.reader, nil
}

type messageReader struct {
	conn *Conn
	r    io.Reader
	ctx  context.Context
}

func (m *messageReader) Read(p []byte) (int, error) {
	call := m.conn.begin(m.ctx)
	n, err := m.r.Read(p)
	return n, m.conn.end(call, err)
}

// Ping is the library's method; its terminal errors are close events. A context
// that ends while the pong is awaited leaves the connection open.
func (c *Conn) Ping(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	call := c.begin(ctx)
	return c.end(call, c.Conn.Ping(ctx))
}

// CloseRead reads in the background, so that pings and a Close are answered
// while the program only writes. The returned context ends with the connection,
// and its cause is the close event. A data message from the peer closes the
// connection with 1008. A second call returns the first one's context.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	c.closeRead.once.Do(func() {
		done, cancel := context.WithCancelCause(ctx)
		c.closeRead.ctx = done
		go func() {
			_, _, err := c.Reader(ctx)
			if err == nil {
				c.CloseWith(ctx, closeguard.PolicyViolation, "unexpected data message") //nolint:errcheck // the event tells
				c.CloseNow()                                                            //nolint:errcheck // the same
				err = context.Canceled
			}
			if ev := c.Event(); ev != nil {
				err = ev
			}
			cancel(err)
		}()
	})
	return c.closeRead.ctx
}
