package coder

import (
	"compress/flate"
	"context"
	"errors"
	"net"

	"github.com/coder/websocket"
)

// ofMessage reports whether err concerns one message only: the connection goes on.
func ofMessage(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt)
}

// ofTransport reports whether err came from the connection below the library,
// which says net.ErrClosed for much that did.
func ofTransport(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, net.ErrClosed)
}

// tells reports whether err says more about why a connection ended than the
// Close frames do.
func tells(err error) bool {
	var ce websocket.CloseError
	return !errors.As(err, &ce) && !errors.Is(err, net.ErrClosed)
}

// tell passes on what the library says of the end, in reduced mode. Whether
// the end of a context ended the connection too it hides, and which Close it
// sent by itself.
func (c *Conn) tell(err error) {
	var ce websocket.CloseError
	switch {
	case errors.As(err, &ce):
		c.guard.Driver().Received(int(ce.Code), ce.Reason)
	case errors.Is(err, net.ErrClosed):
		c.guard.Driver().Closed()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default:
		c.guard.Driver().Ended(err)
	}
}
