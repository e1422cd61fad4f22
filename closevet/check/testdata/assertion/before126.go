//go:build go1.21

package assertion

import (
	"context"
	"log"

	"github.com/coder/websocket"
	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
)

func older(c *gorilla.Conn) int {
	_, _, err := c.ReadMessage()
	if ce, ok := err.(*gorillaws.CloseError); ok && ce.Code != 1000 { // want `fails for every end`
		return ce.Code
	} else if _, ok := err.(*gorillaws.CloseError); !ok { // want `fails for every end`
		log.Println(ok)
	}
	ce, ok := err.(*gorillaws.CloseError) // want `fails for every end`
	if ok {
		return ce.Code
	}
	ce, ok = err.(*gorillaws.CloseError) // want `fails for every end`
	if ok {
		return ce.Code
	}
	if ce, ok := err.(*gorillaws.CloseError); ok || c == nil { // want `fails for every end`
		log.Println(ce, ok) // by hand
	}
	return 0
}

func olderCoder(ctx context.Context, c *coder.Conn) int {
	_, _, err := c.Read(ctx)
	if ce, ok := err.(websocket.CloseError); ok { // want `fails for every end`
		return int(ce.Code)
	}
	ce, _ := err.(websocket.CloseError) // want `fails for every end`
	switch err.(type) {
	case websocket.CloseError: // want `no end of an adapter's connection is a websocket.CloseError`
		return 1
	}
	return int(ce.Code)
}
