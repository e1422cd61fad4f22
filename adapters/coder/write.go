package coder

import (
	"context"
	"io"

	"github.com/coder/websocket"
)

// Write is the library's method; its terminal errors are close events.
func (c *Conn) Write(ctx context.Context, t websocket.MessageType, p []byte) error {
	call := c.begin(ctx)
	return c.end(call, c.Conn.Write(ctx, t, p), writing)
}

// Writer is the library's method; its terminal errors and the writer's are
// close events.
func (c *Conn) Writer(ctx context.Context, t websocket.MessageType) (io.WriteCloser, error) {
	call := c.begin(ctx)
	w, err := c.Conn.Writer(ctx, t)
	if err = c.end(call, err, writing); err != nil {
		return nil, err
	}
	own := &c.needStreams().writer
	*own = messageWriter{c, w, ctx}
	return own, nil
}

type messageWriter struct {
	conn *Conn
	w    io.WriteCloser
	ctx  context.Context
}

func (m *messageWriter) Write(p []byte) (int, error) {
	call := m.conn.begin(m.ctx)
	n, err := m.w.Write(p)
	return n, m.conn.end(call, err, writing)
}

func (m *messageWriter) Close() error {
	c := m.conn // when the library has closed its writer, m may be the next one's
	call := c.begin(m.ctx)
	return c.end(call, m.w.Close(), writing)
}
