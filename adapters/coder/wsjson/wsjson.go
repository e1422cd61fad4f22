// Package wsjson is github.com/coder/websocket/wsjson for a *coder.Conn.
package wsjson

import (
	"context"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// Read is the library's function of that name; terminal errors are close
// events. JSON that can't be decoded ends the connection, as the library closes
// it then: a *closeguard.LocalClosed with code 1007 and the decoder's error in
// its tree.
func Read(ctx context.Context, c *coder.Conn, v any) error {
	return c.Do(ctx, func(ws *websocket.Conn) error { return wsjson.Read(ctx, ws, v) })
}

// Write is the library's function of that name; terminal errors are close
// events. A value that can't be encoded leaves the connection open.
func Write(ctx context.Context, c *coder.Conn, v any) error {
	return c.Do(ctx, func(ws *websocket.Conn) error { return wsjson.Write(ctx, ws, v) })
}
