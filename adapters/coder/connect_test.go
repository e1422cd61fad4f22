package coder_test

import (
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

var options = websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover}

// connect returns both ends of a guarded connection that has no handler.
func connect(t testing.TB, opts closeguard.Options) (*server, *coder.Conn, *peer) {
	t.Helper()
	return connectOver(t, nil, opts)
}

func connectOver(t testing.TB, memory *closetest.Listener, opts closeguard.Options) (*server, *coder.Conn, *peer) {
	t.Helper()
	conns := make(chan *coder.Conn, 1)
	s := start(t, memory, opts, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(g, w, r, &options)
			if err != nil {
				t.Error(err)
			}
			conns <- c
		})
	})
	p := dial(t, s)
	return s, within(t, "Accept", conns), p
}

// handle serves f for each connection.
func handle(t testing.TB, opts closeguard.Options, f func(*http.Request, *coder.Conn) error) *server {
	t.Helper()
	return start(t, nil, opts, func(g *closeguard.Guard) http.Handler { return coder.Handler(g, &options, f) })
}
