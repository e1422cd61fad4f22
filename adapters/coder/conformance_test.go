package coder_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

// kitConn is the adapter's connection in the kit's terms.
type kitConn struct{ *coder.Conn }

func (c kitConn) ReadMessage() ([]byte, error) {
	_, p, err := c.Read(context.Background())
	return p, err
}

func (c kitConn) WriteMessage(p []byte) error {
	return c.Write(context.Background(), websocket.MessageText, p)
}

func (c kitConn) Close() error { return c.CloseNow() }

func TestConformance(t *testing.T) {
	closetest.TestAdapter(t, closetest.Adapter{
		Handler: func(g *closeguard.Guard, f func(closetest.Conn) error) http.Handler {
			return coder.Handler(g, nil, func(_ *http.Request, c *coder.Conn) error { return f(kitConn{c}) })
		},
		PeerCode: peerCode,
		TooBig:   errTooBig,
	})
}
