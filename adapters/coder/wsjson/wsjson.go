// Package wsjson is github.com/coder/websocket/wsjson for a *coder.Conn.
package wsjson

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// Read is the library's function of that name; terminal errors are close
// events. JSON that can't be decoded ends the connection, as the library closes
// it then: a *closeguard.LocalClosed with code 1007 and the decoder's error in
// its tree.
func Read(ctx context.Context, c *coder.Conn, v any) error {
	return c.Do(ctx, func(ws *websocket.Conn) error { return wsjson.Read(ctx, ws, v) })
}

// Write is the library's function of that name; terminal errors are close
// events. A value that can't be encoded leaves the connection open.
func Write(ctx context.Context, c *coder.Conn, v any) error {
	var encoding error
	err := c.Do(ctx, func(ws *websocket.Conn) error {
		err := wsjson.Write(ctx, ws, v)
		if ofValue(err) {
			encoding, err = err, nil
		}
		return err
	})
	if encoding != nil {
		return encoding
	}
	return err
}

// ofValue reports whether err says that a value can't be encoded.
func ofValue(err error) bool {
	var (
		kind      *json.UnsupportedTypeError
		value     *json.UnsupportedValueError
		marshaler *json.MarshalerError
	)
	return errors.As(err, &kind) || errors.As(err, &value) || errors.As(err, &marshaler)
}
