package server

import (
	"context"
	"net/http"

	"github.com/coder/websocket"
)

type gorillaConn interface {
	ReadMessage() (messageType int, p []byte, err error)
	WriteMessage(messageType int, data []byte) error
}

func echoGorilla(c gorillaConn) error {
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if err := c.WriteMessage(kind, message); err != nil {
			return err
		}
	}
}

type coderConn interface {
	Read(ctx context.Context) (websocket.MessageType, []byte, error)
	Write(ctx context.Context, kind websocket.MessageType, p []byte) error
}

func echoCoder(r *http.Request, c coderConn) error {
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			return err
		}
		if err := c.Write(r.Context(), kind, message); err != nil {
			return err
		}
	}
}
