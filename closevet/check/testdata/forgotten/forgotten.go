// Package forgotten opens connections and closes some of them.
package forgotten

import (
	"net/http"

	"github.com/gorilla/websocket"
)

var upgrader websocket.Upgrader

func bad(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil) // want `nobody closes this connection: call its Close when reading has failed`
	if err != nil {
		return
	}
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}

type badClient struct{ conn *websocket.Conn }

func badHub(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil) // want `nobody closes this connection`
	if err != nil {
		return
	}
	c := &badClient{conn: conn}
	go c.read()
	go func() { write(conn) }()
}

func (c *badClient) read() {
	for {
		if _, _, err := c.conn.NextReader(); err != nil {
			return
		}
	}
}

func write(c *websocket.Conn) { c.WriteJSON(1) }

func good(w http.ResponseWriter, r *http.Request) {
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	c.ReadMessage()
}

type client struct{ conn *websocket.Conn }

func hub(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &client{conn: conn}
	go c.read()
}

func (c *client) read() {
	defer c.conn.Close()
	c.conn.NextReader()
}

type Exported struct{ Conn *websocket.Conn }

func others(w http.ResponseWriter, r *http.Request, all map[string]*websocket.Conn, each func(*websocket.Conn)) *Exported {
	c, _ := upgrader.Upgrade(w, r, nil)
	c.ReadMessage()
	e := &Exported{Conn: c}
	d, _ := upgrader.Upgrade(w, r, nil)
	d.ReadMessage()
	all["d"] = d
	f, _ := upgrader.Upgrade(w, r, nil)
	f.ReadMessage()
	each(f)
	return e
}
