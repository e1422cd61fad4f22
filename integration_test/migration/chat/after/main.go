// Command chat is a chat room: what one client says, all clients hear.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	room := newHub()
	go room.run()
	http.HandleFunc("/chat", func(w http.ResponseWriter, r *http.Request) { enter(room, w, r) })
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
