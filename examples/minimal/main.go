// Command minimal is a chat room: a template to copy. ws://127.0.0.1:8080/room?user=ann
// is ann's seat, "curl -X POST 127.0.0.1:8080/kick/ann" ends it, Ctrl-C ends them all.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

var room sync.Map // its keys are the seats, of type *coder.Conn

func sit(r *http.Request, c *coder.Conn) error { // what it returns decides which Close frame is sent
	user := r.FormValue("user") // your authentication
	if user == "" {
		return closeguard.Error(closeguard.PolicyViolation, "who are you?", nil)
	}
	closeguard.FromContext(r.Context()).SetAttrs(slog.String("user", user)) // for the log line
	c.SetKeys(user)                                                         // for CloseKey
	room.Store(c, nil)
	defer room.Delete(c)
	for {
		_, text, err := c.Read(r.Context())
		if err != nil {
			return err
		}
		for seat := range room.Range { // if one has ended, its own Read says so
			seat.(*coder.Conn).Write(context.Background(), websocket.MessageText, []byte(user+": "+string(text)))
		}
	}
}

func main() {
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{closeguard.LogObserver(nil)}, WriteStall: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /room", coder.Handler(guard, nil, sit))
	http.HandleFunc("POST /kick/{user}", func(_ http.ResponseWriter, r *http.Request) { // for admins: protect it
		log.Println(guard.CloseKey(r.Context(), r.PathValue("user"), closeguard.CloseFrame{Code: 4001, Reason: "kicked"}))
	})
	server := &http.Server{Addr: append(os.Args, "127.0.0.1:8080")[1]} // or the first argument
	signaled, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() { log.Println(server.ListenAndServe()); stop() }()
	<-signaled.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	log.Println(closeguard.ShutdownServer(ctx, guard, server))
}
