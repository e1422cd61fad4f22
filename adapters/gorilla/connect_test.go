package gorilla_test

import (
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{EnableCompression: true}

// connect returns both ends of a guarded connection that has no handler.
func connect(t testing.TB, opts closeguard.Options) (*server, *gorilla.Conn, *peer) {
	t.Helper()
	return connectOver(t, nil, opts)
}

func connectOver(t testing.TB, memory *closetest.Listener, opts closeguard.Options) (*server, *gorilla.Conn, *peer) {
	t.Helper()
	conns := make(chan *gorilla.Conn, 1)
	s := start(t, memory, opts, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := gorilla.Upgrade(g, &upgrader, w, r, nil)
			if err != nil {
				t.Error(err)
			}
			conns <- c
		})
	})
	p := dial(t, s)
	return s, within(t, "Upgrade", conns), p
}

// handle serves f for each connection.
func handle(t testing.TB, opts closeguard.Options, f func(*http.Request, *gorilla.Conn) error) *server {
	t.Helper()
	return start(t, nil, opts, func(g *closeguard.Guard) http.Handler { return gorilla.Handler(g, &upgrader, f) })
}
