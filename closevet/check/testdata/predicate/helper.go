package predicate

import (
	"log"

	"github.com/gorilla/websocket"
)

// c has a field whose type another file names.
type c struct{ client }

func (c *c) loop() {
	for {
		_, p, err := c.conn.ReadMessage()
		if err != nil {
			tell(err)
			return
		}
		log.Println(p)
	}
}

func tell(err error) {
	if websocket.IsCloseError(err, 1000, 1001) { // want `websocket.IsCloseError is false`
		log.Println("closed")
	}
}

func tellPlain(err error) {
	if websocket.IsCloseError(err, 1000, 1001) {
		log.Println("closed")
	}
}

func plain(c *websocket.Conn) {
	_, _, err := c.NextReader()
	tellPlain(err)
}
