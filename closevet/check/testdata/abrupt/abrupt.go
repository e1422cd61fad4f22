// Package abrupt closes TCP at once, or waits.
package abrupt

import (
	"log"
	"time"

	"github.com/gorilla/websocket"
)

func bad(c *websocket.Conn, deadline time.Time) error {
	if deadline.IsZero() {
		c.WriteMessage(websocket.CloseMessage, nil) // want `TCP is closed right behind the Close frame, which a reset can destroy`
		return c.Close()
	}
	if err := c.WriteControl(websocket.CloseMessage, nil, deadline); err != nil { // want `TCP is closed right behind`
		log.Print(err)
	}
	c.Close()
	return nil
}

func good(c, other *websocket.Conn, deadline time.Time) {
	c.SetCloseHandler(func(code int, text string) error {
		c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
		return c.Close()
	})
	c.WriteControl(websocket.CloseMessage, nil, deadline)
	other.Close()
	c.SetReadDeadline(deadline)
	for {
		if _, _, err := c.NextReader(); err != nil {
			break
		}
	}
	c.Close()
}
