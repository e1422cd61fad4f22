package gorilla_test

import (
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// kitConn is the adapter's connection in the kit's terms.
type kitConn struct{ *gorilla.Conn }

func (c kitConn) ReadMessage() ([]byte, error) {
	_, p, err := c.Conn.ReadMessage()
	return p, err
}

func (c kitConn) WriteMessage(p []byte) error {
	return c.Conn.WriteMessage(websocket.TextMessage, p)
}

func TestConformance(t *testing.T) {
	closetest.TestAdapter(t, closetest.Adapter{
		Handler: func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
			return gorilla.Handler(g, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
				return f(kitConn{c})
			})
		},
		PeerCode: peerCode,
		TooBig:   websocket.ErrReadLimit,
	})
}
