// Package middleware puts the guard in good places and others.
package middleware

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

// ginContext is what gin's Context is here.
type ginContext struct {
	Writer  http.ResponseWriter
	Request *http.Request
}

func (c *ginContext) Next() {}

func bad(guard *closeguard.Guard, ws http.Handler, upgrader *websocket.Upgrader) http.Handler {
	_ = func(c *ginContext) {
		guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // want `the handler below the guard doesn't use its ResponseWriter`
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	}
	_ = func(outer http.ResponseWriter, r *http.Request) {
		guard.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // want `doesn't use its ResponseWriter`
			upgrader.Upgrade(outer, r, nil)
		})).ServeHTTP(outer, r)
	}
	guarded := guard.Middleware(ws)
	if guarded == nil {
		guarded = gorilla.Handler(guard, upgrader, nil)
	}
	return http.TimeoutHandler(guarded, time.Second, "") // want `http.TimeoutHandler hides http.Hijacker`
}

func good(guard *closeguard.Guard, ws, page http.Handler, upgrader *websocket.Upgrader) http.Handler {
	_ = func(c *ginContext) {
		guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.Writer, c.Request = w, r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
	}
	_ = guard.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	mux := http.NewServeMux()
	mux.Handle("/ws", ws)
	mux.Handle("/", http.TimeoutHandler(page, time.Second, ""))
	return guard.Middleware(mux)
}
