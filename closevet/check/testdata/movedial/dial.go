// Package movedial dials, too: its connections can't be told apart by their type.
package movedial

import (
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
)

var guard *closeguard.Guard

func serve(w http.ResponseWriter, r *http.Request, u websocket.Upgrader) {
	u.Upgrade(w, r, nil) // want `u.Upgrade opens a connection without an adapter`
}

func dial() { websocket.DefaultDialer.Dial("ws://127.0.0.1", nil) }
