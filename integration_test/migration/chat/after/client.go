package main

import (
	"log"
	"net/http"
	"time"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

const (
	maxMessage = 64 << 10         // bytes
	maxQueue   = 16               // messages that a client may be behind
	maxSilence = time.Minute      // without a pong
	pingEvery  = 50 * time.Second // shorter than maxSilence
	maxWrite   = 10 * time.Second
)

var upgrader = websocket.Upgrader{ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10}
var guard, _ = closeguard.New(closeguard.Options{Observers: []closeguard.Observer{closeguard.LogObserver(nil)}}) // these options are valid

// client is one connection. Two goroutines serve it, because the library
// allows one reader and one writer at a time.
type client struct {
	room  *hub
	conn  *gorilla.Conn
	queue chan []byte // closed by the hub when the client must go
}

func enter(room *hub, w http.ResponseWriter, r *http.Request) {
	conn, err := gorilla.Upgrade(guard, &upgrader, w, r, nil)
	if err != nil {
		log.Println("no upgrade:", err)
		return
	}
	c := &client{room: room, conn: conn, queue: make(chan []byte, maxQueue)}
	room.join <- c
	go c.writePump()
	go c.readPump()
}

// readPump takes what the client says to the hub until the connection ends.
func (c *client) readPump() {
	defer c.conn.Close()
	defer func() { c.room.leave <- c }()
	alive := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(maxSilence)) }
	if err := alive(""); err != nil {
		return
	}
	c.conn.SetPongHandler(alive)
	c.conn.SetReadLimit(maxMessage)
	for {
		_, text, err := c.conn.ReadMessage()
		if gorilla.IsUnexpectedCloseError(err, websocket.CloseGoingAway, websocket.CloseAbnormalClosure) {
			log.Println("lost a client:", err)
		}
		if err != nil {
			return
		}
		c.room.say <- text
	}
}

// writePump sends what the hub has queued, and pings in between.
func (c *client) writePump() {
	defer c.conn.Close()
	pings := time.NewTicker(pingEvery)
	defer pings.Stop()
	for {
		var err error
		select {
		case text, ok := <-c.queue:
			if !ok {
				c.extend()
				c.conn.WriteMessage(websocket.CloseMessage, nil)
				return
			}
			err = c.send(text)
		case <-pings.C:
			c.extend()
			err = c.conn.WriteMessage(websocket.PingMessage, nil)
		}
		if err != nil {
			return
		}
	}
}

// send writes one message, in which a line is what somebody said: this text and
// what has queued up behind it.
func (c *client) send(text []byte) error {
	c.extend()
	w, err := c.conn.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	for range len(c.queue) {
		line, ok := <-c.queue
		if !ok {
			break
		}
		if _, err := w.Write(append([]byte("\n"), line...)); err != nil {
			return err
		}
	}
	return w.Close()
}

func (c *client) extend() { c.conn.SetWriteDeadline(time.Now().Add(maxWrite)) }
