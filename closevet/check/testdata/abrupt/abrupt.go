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

type client struct {
	conn  *websocket.Conn
	queue chan []byte
}

// goodPump can't know whether it is the end of reading that has closed the queue.
func (c *client) goodPump(ticker *time.Ticker) {
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()
	for {
		select {
		case p, ok := <-c.queue:
			if !ok {
				c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			c.conn.WriteMessage(websocket.TextMessage, p)
		case <-ticker.C:
		}
	}
}

func (c *client) read() {
	defer c.end()
	for {
		if _, _, err := c.conn.ReadMessage(); err != nil {
			return
		}
	}
}

func (c *client) end() {
	c.conn.WriteMessage(websocket.CloseMessage, nil) // the peer has closed before
	c.conn.Close()
}

func (c *client) badKick() {
	defer func() {
		c.conn.Close()
	}()
	c.conn.WriteMessage(websocket.CloseMessage, nil) // want `TCP is closed right behind`
}

func badHandler(c *websocket.Conn, deadline time.Time) error {
	defer c.Close()
	if deadline.IsZero() {
		return c.WriteControl(websocket.CloseMessage, nil, deadline) // want `TCP is closed right behind`
	}
	c.WriteControl(websocket.CloseMessage, nil, deadline) // want `TCP is closed right behind`
	return nil
}

func goodHandler(c, other *websocket.Conn, deadline time.Time, done <-chan struct{}, ok bool) error {
	defer c.Close()
	_, _, err := c.ReadMessage()
	if err != nil {
		c.WriteControl(websocket.CloseMessage, nil, deadline) // the peer has closed before
		return err
	}
	if ok {
		other.WriteControl(websocket.CloseMessage, nil, deadline)
		return nil
	}
	if err := c.WriteControl(websocket.CloseMessage, nil, deadline); err != nil {
		return err
	}
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return nil
}

func goodLater(c *websocket.Conn, deadline time.Time) error {
	c.WriteControl(websocket.CloseMessage, nil, deadline)
	return nil // whoever opened it closes it
}
