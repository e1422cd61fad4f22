package delivery

import (
	"context"
	"errors"
	"net/http"
	"time"

	adapter "github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// coderConn is the library's connection, or its adapter's.
type coderConn interface {
	SetReadLimit(n int64)
	Read(ctx context.Context) (websocket.MessageType, []byte, error)
	Write(ctx context.Context, kind websocket.MessageType, p []byte) error
}

var coderOptions = &websocket.AcceptOptions{InsecureSkipVerify: true} // the page is another site's

// coderPlain serves handlers as the library's documentation does it.
func coderPlain(f func(context.Context, coderConn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, coderOptions)
		if err != nil {
			return
		}
		defer c.CloseNow()
		if ask := (*request)(nil); errors.As(f(r.Context(), c), &ask) {
			c.Close(websocket.StatusCode(ask.frame.Code), ask.frame.Reason) // there is nobody to tell
		}
	}
}

// coderAdapted serves the same handlers through the adapter.
func coderAdapted(g *closeguard.Guard, f func(context.Context, coderConn) error) http.Handler {
	return adapter.Handler(g, coderOptions, func(r *http.Request, c *adapter.Conn) error { return asked(f(r.Context(), c)) })
}

var coderHandlers = map[string]func(context.Context, coderConn) error{
	"/upload": func(ctx context.Context, c coderConn) error {
		c.SetReadLimit(limit)
		_, _, err := c.Read(ctx)
		return err
	},
	"/flood": func(ctx context.Context, c coderConn) error {
		c.SetReadLimit(-1)
		for range 16 {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
		}
		return &request{closeguard.CloseFrame{Code: 1008, Reason: "too fast"}}
	},
	"/full": func(ctx context.Context, c coderConn) error {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
		fill(func(p []byte) error { return c.Write(ctx, websocket.MessageBinary, p) })
		return &request{closeguard.CloseFrame{Code: 1013, Reason: "too slow"}}
	},
	"/silent": func(ctx context.Context, c coderConn) error {
		_, _, err := c.Read(ctx)
		return silent(err)
	},
	"/cancelled": func(ctx context.Context, c coderConn) error {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		_, _, err := c.Read(ctx)
		return err
	},
	"/illegal": func(ctx context.Context, c coderConn) error {
		c.Read(ctx) //nolint:errcheck // it shows
		return &request{closeguard.CloseFrame{Code: 5000, Reason: "bad"}}
	},
	"/long": func(ctx context.Context, c coderConn) error {
		c.Read(ctx) //nolint:errcheck // it shows
		return &request{closeguard.CloseFrame{Code: 1008, Reason: longReason}}
	},
	"/wait": func(ctx context.Context, c coderConn) error {
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return err
			}
		}
	},
}
