// Package move has servers that are to have an adapter's connections.
package move

import (
	"context"
	"log"
	"net/http"
	"runtime"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	gorillaws "github.com/gorilla/websocket"
)

const path = "/ws"

var upgrader = &gorillaws.Upgrader{} // a pointer

type client struct {
	ws  *gorillaws.Conn
	all map[string]*websocket.Conn
}

func (c *client) serve(w http.ResponseWriter, r *http.Request) {
	ws, err := upgrader.Upgrade(w, r, nil) // want `upgrader.Upgrade opens a connection without an adapter`
	if err != nil {
		return
	}
	c.ws = ws
	runtime.KeepAlive(ws) // takes anything
	c.setLimit(ws)
	var other gorillaws.Upgrader
	other.Upgrade(w, r, http.Header{}) // want `other.Upgrade opens a connection`
}

func (c *client) setLimit(ws *gorillaws.Conn) { ws.SetReadLimit(1) }

func (c *client) serveCoder(w http.ResponseWriter, r *http.Request) {
	coder := "a name that is taken"
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{}) // want `websocket.Accept opens a connection`
	if err != nil {
		log.Println(coder, err)
		return
	}
	c.all[coder] = ws
	wsjson.Write(r.Context(), ws, 1)
	nc := websocket.NetConn(context.Background(), ws, websocket.MessageText)
	nc.Close()
}
