// Package after writes and closes in one order and the other.
package after

import (
	"context"
	"time"

	"github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
)

type client struct{ ws *gorillaws.Conn }

func (c *client) bad(deadline time.Time) {
	c.ws.WriteControl(gorillaws.CloseMessage, nil, deadline)
	c.ws.WriteMessage(gorillaws.TextMessage, nil) // want `what is written after the Close frame doesn't leave`
	if err := c.ws.WriteJSON(1); err != nil {     // want `what is written after the Close frame`
		return
	}
	_ = c.ws.WriteMessage(gorillaws.CloseMessage, nil) // want `a Close frame after the Close frame doesn't leave`
	for range 2 {
		c.ws.Close()
		err := c.ws.WriteControl(gorillaws.CloseMessage, nil, deadline) // want `a Close frame after TCP was closed doesn't leave`
		_ = err
	}
}

func (c *client) good(done bool, kind int, other *gorillaws.Conn, deadline time.Time) error {
	c.ws.WriteMessage(gorillaws.TextMessage, nil)
	if done {
		return c.ws.WriteControl(gorillaws.CloseMessage, nil, deadline)
	}
	c.ws.WriteMessage(kind, nil) // perhaps a Close
	other.WriteMessage(gorillaws.CloseMessage, nil)
	c.ws.WriteControl(gorillaws.PingMessage, nil, deadline)
	c.ws.Close()
	c.ws = other
	return c.ws.WriteMessage(gorillaws.TextMessage, nil)
}

func coders(ctx context.Context, c *websocket.Conn, a *coder.Conn, dial func() *websocket.Conn) {
	defer c.Close(websocket.StatusInternalError, "") // a return in between has it
	if ctx.Err() != nil {
		c.Close(websocket.StatusGoingAway, "")
		c.Write(ctx, websocket.MessageText, nil) // want `what is written after the Close frame`
		return
	}
	a.Close(websocket.StatusGoingAway, "")
	a.Close(websocket.StatusNormalClosure, "") // want `a second Close doesn't leave`
	a.CloseNow()
	c.Close(websocket.StatusNormalClosure, "")
	c = dial()
	c.Close(websocket.StatusNormalClosure, "")
}

func refused(ctx context.Context, g *gorilla.Conn, deadline time.Time) {
	g.CloseWith(ctx, 1006, "")                                                               // want `close code 1006 must not`
	g.WriteControl(gorillaws.CloseMessage, gorillaws.FormatCloseMessage(1006, ""), deadline) // want `close code 1006 must not`
	g.WriteControl(gorillaws.CloseMessage, gorillaws.FormatCloseMessage(1001, "legal at last"), deadline)
}

func adapter(ctx context.Context, g *gorilla.Conn) error {
	if err := g.CloseWith(ctx, 1000, ""); err != nil {
		return err
	}
	g.Close()
	return g.WriteJSON(1) // want `what is written after the Close frame`
}
