// Package embedded goes past the adapters, or doesn't.
package embedded

import (
	"context"

	"github.com/coder/websocket/wsjson"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
)

func past(ctx context.Context, g *gorilla.Conn, c *coder.Conn) error {
	if _, _, err := g.Conn.ReadMessage(); err != nil { // want `g.Conn.ReadMessage goes past the adapter, and its errors are no close events: call g.ReadMessage`
		return err
	}
	g.Conn.SetReadLimit(1 << 10)
	_ = g.Conn.RemoteAddr()
	var v any
	if err := wsjson.Read(ctx, c.Conn, &v); err != nil { // want `wsjson.Read with c.Conn goes past the adapter`
		return err
	}
	return wsjson.Write(ctx, c.Conn, v) // want `wsjson.Write with c.Conn goes past the adapter`
}

type session struct{ conn *gorilla.Conn }

func (s *session) run() error {
	limit(s.conn.Conn)
	if err := forward(s.conn.Conn, []byte("x")); err != nil { // want `forward is handed the library's connection, whose errors are no close events`
		return err
	}
	go func() {
		_ = forward(s.conn.Conn, nil) // want `forward is handed`
	}()
	var plain *gorillaws.Conn
	_ = both(plain)
	return both(s.conn.Conn) // want `both is handed`
}

// limit returns no error.
func limit(c *gorillaws.Conn) { c.SetReadLimit(1 << 10) }

func forward(c *gorillaws.Conn, p []byte) error {
	c.SetReadLimit(1 << 10)
	return c.WriteMessage(gorillaws.TextMessage, p)
}

// both has callers without an adapter, too.
func both(c *gorillaws.Conn) error {
	_, _, err := c.NextReader()
	return err
}
