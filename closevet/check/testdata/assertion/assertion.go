// Package assertion asserts types of errors.
package assertion

import (
	"context"
	"log"
	"net"

	"github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/adapters/gorilla"
)

func direct(c *gorilla.Conn) int {
	_, _, err := c.ReadMessage()
	if ce, ok := err.(*gorillaws.CloseError); ok && ce.Code != 1000 { // want `err.\(\*gorillaws.CloseError\) fails for every end of an adapter's connection: ask errors.As`
		return ce.Code
	}
	_ = err.(*gorillaws.CloseError).Code // want `fails for every end`
	if _, ok := err.(net.Error); ok {
		return 0
	}
	return 0
}

func direct2(ctx context.Context, c *coder.Conn) websocket.StatusCode {
	var v any
	err := wsjson.Read(ctx, c, &v)
	ce, ok := err.(websocket.CloseError) // want `err.\(websocket.CloseError\) fails`
	if !ok {
		return websocket.CloseStatus(err)
	}
	return ce.Code
}

type client struct {
	conn  *gorilla.Conn
	plain *gorillaws.Conn
	last  error
}

// read returns what reading returned.
func (c *client) read() ([]byte, error) {
	_, p, err := c.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (c *client) run() {
	_, err := c.read()
	closed(err)
	c.last = err
	func() {
		_, ok := c.last.(*gorillaws.CloseError) // want `c.last.\(\*gorillaws.CloseError\) fails`
		log.Println(ok, err)
	}()
}

func closed(err error) {
	if _, ok := err.(*gorillaws.CloseError); ok { // want `fails for every end`
		log.Println("closed")
	}
}

func (c *client) runPlain() {
	_, _, err := c.plain.ReadMessage()
	if ce, ok := err.(*gorillaws.CloseError); ok {
		log.Println(ce.Code)
	}
	switch err.(type) {
	case *gorillaws.CloseError:
	}
}

func typeSwitch(c *gorilla.Conn) int {
	err := c.WriteMessage(1, nil)
	switch e := err.(type) {
	case nil:
		return 0
	case *gorillaws.CloseError: // want `no end of an adapter's connection is a \*gorillaws.CloseError: ask errors.As`
		return e.Code
	case net.Error:
		log.Println(e.Timeout())
	default:
		log.Println(e)
	}
	return 1
}
