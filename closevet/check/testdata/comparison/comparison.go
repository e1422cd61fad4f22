// Package comparison compares errors.
package comparison

import (
	"context"
	"io"
	"net"

	gorillaws "github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
)

func compare(c *gorilla.Conn, plain *gorillaws.Conn, other io.Reader) int {
	_, r, err := c.NextReader()
	if err == io.EOF { // want `err == io.EOF is false for every end of an adapter's connection: ask errors.Is`
		return 1
	}
	if err != nil && net.ErrClosed != err { // want `err != net.ErrClosed is true for every end`
		return 2
	}
	if _, err := r.Read(nil); err == io.EOF { // the end of a message
		return 3
	}
	if err = c.WriteMessage(1, nil); err == gorillaws.ErrCloseSent { // want `err == gorillaws.ErrCloseSent is false`
		return 4
	}
	if err = plain.WriteMessage(1, nil); err == gorillaws.ErrCloseSent {
		return 5
	}
	if _, err = other.Read(nil); err == io.EOF {
		return 6
	}
	return 0
}

func cases(ctx context.Context, c *coder.Conn) int {
	_, _, err := c.Read(ctx)
	switch err {
	case nil:
		return 0
	case io.EOF, context.Canceled: // want `err == io.EOF is false` `err == context.Canceled is false`
		return 1
	default:
		return 2
	}
}

func casesByHand(ctx context.Context, c *coder.Conn) int {
	switch c.Write(ctx, 1, nil) {
	case net.ErrClosed: // want `is false for every end`
		return 1
	}
	return 0
}
