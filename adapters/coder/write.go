package coder

import (
	"context"
	"io"
	"runtime"

	"github.com/coder/websocket"
)

// Write is the library's method; its terminal errors are close events.
func (c *Conn) Write(ctx context.Context, t websocket.MessageType, p []byte) error {
	defer runtime.KeepAlive(c)
	call := c.begin(ctx)
	return c.end(call, c.Conn.Write(ctx, t, p))
}

// Writer is the library's method; its terminal errors and the writer's are
// close events.
func (c *Conn) Writer(ctx context.Context, t websocket.MessageType) (io.WriteCloser, error) {
	defer runtime.KeepAlive(c)
	call := c.begin(ctx)
	w, err := c.Conn.Writer(ctx, t)
	if err = c.end(call, err); err != nil {
		return nil, err
	}
	c.writer = messageWriter{c, w, ctx}
	return &c.writer, nil
}

type messageWriter struct {
	conn *Conn
	w    io.WriteCloser
	ctx  context.Context
}

func (m *messageWriter) Write(p []byte) (int, error) {
	call := m.conn.begin(m.ctx)
	n, err := m.w.Write(p)
	return n, m.conn.end(call, err)
}

func (m *messageWriter) Close() error {
	call := m.conn.begin(m.ctx)
	return m.conn.end(call, m.w.Close())
}
