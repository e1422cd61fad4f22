// Package handler sets close handlers.
package handler

import (
	"context"
	"errors"
	"log"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

type client struct {
	conn   *websocket.Conn
	closed atomic.Bool
	done   chan struct{}
}

func (c *client) bad() {
	c.conn.SetCloseHandler(func(code int, text string) error { // want `this close handler doesn't answer the peer's Close`
		log.Println(code, text)
		return nil
	})
	c.conn.SetCloseHandler(func(code int, text string) error { return errors.New(text) }) // want `doesn't answer`
	c.conn.SetCloseHandler(c.onClose)                                                     // want `doesn't answer`
	c.conn.SetCloseHandler(ignore)                                                        // want `doesn't answer`
}

func (c *client) onClose(int, string) error {
	c.closed.Store(true)
	return nil
}

func ignore(int, string) error { return nil }

func (c *client) good(ctx context.Context, cancel context.CancelFunc, h func(int, string) error) {
	c.conn.SetCloseHandler(nil)
	c.conn.SetCloseHandler(h)
	before := c.conn.CloseHandler()
	c.conn.SetCloseHandler(func(code int, text string) error {
		log.Println(code, text)
		return before(code, text)
	})
	c.conn.SetCloseHandler(c.answer)
	c.conn.SetCloseHandler(func(code int, text string) error {
		cancel() // whoever waits for it may answer
		return nil
	})
	c.conn.SetCloseHandler(func(code int, text string) error {
		close(c.done)
		return nil
	})
}

func (c *client) answer(code int, _ string) error {
	return c.write(websocket.FormatCloseMessage(code, ""))
}

func (c *client) write(p []byte) error {
	return c.conn.WriteControl(websocket.CloseMessage, p, time.Now().Add(time.Second))
}
