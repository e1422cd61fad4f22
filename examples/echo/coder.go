package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

type coderEcho struct {
	guard *closeguard.Guard
	limit int64 // bytes of a message
}

// guarded echoes through the adapter, which closes as the return value says.
func (e coderEcho) guarded(r *http.Request, c *coder.Conn) error {
	c.SetReadLimit(e.limit)
	for {
		kind, message, err := c.Read(r.Context())
		if err != nil {
			return err
		}
		cmd, err := parseCommand(kind == websocket.MessageText, message)
		switch cmd.verb {
		case "close":
			err = c.CloseWith(r.Context(), cmd.code, cmd.text)
			if !isRefused(err) {
				return err
			}
		case "fail":
			return errors.New(cmd.text)
		case "panic":
			panic("a client asked for it")
		}
		if err != nil {
			message = refusal(err)
		}
		if err := c.Write(r.Context(), kind, message); err != nil {
			return err
		}
	}
}

// plain has nothing of closeguard's in it.
func (e coderEcho) plain(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	e.echo(r.Context(), ws) //nolint:errcheck // there is nobody to tell
}

// echo returns nil after a Close of its own, else what ended it.
func (e coderEcho) echo(ctx context.Context, ws *websocket.Conn) (command, error) {
	ws.SetReadLimit(e.limit)
	for {
		kind, message, err := ws.Read(ctx)
		if err != nil {
			return command{}, err
		}
		cmd, err := parseCommand(kind == websocket.MessageText, message)
		switch cmd.verb {
		case "close":
			return cmd, ws.Close(websocket.StatusCode(cmd.code), cmd.text)
		case "fail":
			return cmd, errors.New(cmd.text)
		case "panic":
			panic("a client asked for it")
		}
		if err != nil {
			message = refusal(err)
		}
		if err := ws.Write(ctx, kind, message); err != nil {
			return command{}, err
		}
	}
}

// bare is plain outside of the guard, which is only told what the handler saw.
func (e coderEcho) bare(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow()
	told := witness(e.guard, r)
	defer told.Closed()
	cmd, err := e.echo(r.Context(), ws)
	var ce websocket.CloseError
	switch {
	case err == nil: // the library's Close has had the same code for an answer
		told.Sent(int(cmd.code), cmd.text)
		told.Received(int(cmd.code), "")
	case errors.As(err, &ce):
		if cmd.verb == "close" { // another one
			told.Sent(int(cmd.code), cmd.text)
		}
		told.Received(int(ce.Code), ce.Reason)
	default:
		told.Ended(err)
	}
}
