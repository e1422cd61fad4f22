// Command forgottenmain dials, and ends.
package main

import (
	"log"

	"github.com/gorilla/websocket"
)

func main() {
	c, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:8080", nil)
	if err != nil {
		log.Fatal(err)
	}
	log.Println(c.ReadMessage())
	ask()
}

func ask() {
	c, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:8080", nil) // want `nobody closes this connection`
	if err != nil {
		log.Fatal(err)
	}
	log.Println(c.ReadMessage())
}
