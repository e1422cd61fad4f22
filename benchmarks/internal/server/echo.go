package server

import (
	"net/http"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// Bare, Plain and Adapter are the ways to serve: without a guard, the same
// handler under Guard.Middleware, and through the library's adapter.
const (
	Bare    = "/bare"
	Plain   = "/plain"
	Adapter = "/adapter"
)

// Echoes returns the echo handlers of a library by path.
func Echoes(library string, guard *closeguard.Guard, compress bool) map[string]http.Handler {
	if library == "gorilla" {
		upgrader := gorillaUpgrader(compress)
		bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			echoGorilla(conn) //nolint:errcheck // there is nobody to tell
		})
		return map[string]http.Handler{
			Bare:  bare,
			Plain: guard.Middleware(bare),
			Adapter: gorillaadapter.Handler(guard, upgrader, func(_ *http.Request, c *gorillaadapter.Conn) error {
				return echoGorilla(c)
			}),
		}
	}
	opts := coderOptions(compress)
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		echoCoder(r, conn) //nolint:errcheck // there is nobody to tell
	})
	return map[string]http.Handler{
		Bare:  bare,
		Plain: guard.Middleware(bare),
		Adapter: coderadapter.Handler(guard, opts, func(r *http.Request, c *coderadapter.Conn) error {
			c.SetReadLimit(-1)
			return echoCoder(r, c)
		}),
	}
}

func gorillaUpgrader(compress bool) *gorilla.Upgrader {
	return &gorilla.Upgrader{EnableCompression: compress}
}

func coderOptions(compress bool) *websocket.AcceptOptions {
	if compress {
		return &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover} // as gorilla's
	}
	return &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled}
}
