package embedded

import (
	"context"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/closeguard/ws/adapters/coder"
)

func mixed(ctx context.Context, plain *websocket.Conn, c *coder.Conn) {
	_ = wsjson.Write(ctx, plain, 1)
	_ = wsjson.Write(ctx, c.Conn, 1) // want `goes past the adapter`
}
