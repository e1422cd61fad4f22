// Package predicate asks gorilla for codes.
package predicate

import (
	"github.com/gorilla/websocket"

	guarded "github.com/closeguard/ws/adapters/gorilla"
)

func read(c *guarded.Conn, plain *websocket.Conn) bool {
	_, _, err := c.ReadMessage()
	if websocket.IsUnexpectedCloseError(err, websocket.CloseGoingAway) { // want `websocket.IsUnexpectedCloseError is false for every end of an adapter's connection`
		return true
	}
	if guarded.IsUnexpectedCloseError(err, websocket.CloseGoingAway) {
		return true
	}
	_, _, err = plain.ReadMessage()
	return websocket.IsCloseError(err, websocket.CloseGoingAway)
}
