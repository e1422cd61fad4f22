package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

var upgrader websocket.Upgrader // browsers may only come from our own page, as is the default

type gorillaEcho struct {
	guard *closeguard.Guard
	limit int64 // bytes of a message
}

// guarded echoes through the adapter, which closes as the return value says.
func (e gorillaEcho) guarded(r *http.Request, c *gorilla.Conn) error {
	c.SetReadLimit(e.limit)
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return err
		}
		cmd, err := parseCommand(kind == websocket.TextMessage, message)
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
		if err := c.WriteMessage(kind, message); err != nil {
			return err
		}
	}
}

// plain has nothing of closeguard's in it.
func (e gorillaEcho) plain(w http.ResponseWriter, r *http.Request) {
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	e.echo(ws) //nolint:errcheck // there is nobody to tell
}

// echo returns nil after a Close of its own, else what ended it.
func (e gorillaEcho) echo(ws *websocket.Conn) (command, error) {
	ws.SetReadLimit(e.limit)
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			return command{}, err
		}
		cmd, err := parseCommand(kind == websocket.TextMessage, message)
		switch cmd.verb {
		case "close":
			payload := websocket.FormatCloseMessage(int(cmd.code), cmd.text)
			return cmd, ws.WriteControl(websocket.CloseMessage, payload, time.Now().Add(time.Second))
		case "fail":
			return cmd, errors.New(cmd.text)
		case "panic":
			panic("a client asked for it")
		}
		if err != nil {
			message = refusal(err)
		}
		if err := ws.WriteMessage(kind, message); err != nil {
			return command{}, err
		}
	}
}

// bare is plain outside of the guard, which is only told what the handler saw.
func (e gorillaEcho) bare(w http.ResponseWriter, r *http.Request) {
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	told := witness(e.guard, r)
	defer told.Closed()
	cmd, err := e.echo(ws)
	var ce *websocket.CloseError
	switch {
	case err == nil:
		told.Sent(int(cmd.code), cmd.text)
	case errors.As(err, &ce) && ce.Code != websocket.CloseAbnormalClosure:
		told.Received(ce.Code, ce.Text)
	default:
		told.Ended(err)
	}
}
