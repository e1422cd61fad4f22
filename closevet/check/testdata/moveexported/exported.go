// Package moveexported shows others its connections.
package moveexported

import (
	"net/http"

	"github.com/gorilla/websocket"
)

// Conn is what others have.
func Conn(w http.ResponseWriter, r *http.Request, u websocket.Upgrader) (*websocket.Conn, error) {
	return u.Upgrade(w, r, nil) // want `u.Upgrade opens a connection without an adapter`
}
