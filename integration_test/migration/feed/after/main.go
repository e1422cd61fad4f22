// Command feed counts for whoever asks: the client's first message says from
// where, how far and how fast, and then only the server talks.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

var addr = flag.String("addr", "127.0.0.1:8080", "where to listen")
var guard, _ = closeguard.New(closeguard.Options{Observers: []closeguard.Observer{closeguard.LogObserver(nil)}}) // these options are valid

type order struct {
	From  int `json:"from"`
	To    int `json:"to"`
	Every int `json:"every"` // milliseconds
}

type value struct {
	N int `json:"n"`
}

func main() {
	flag.Parse()
	http.HandleFunc("/feed", serve)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}

func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := coder.Accept(guard, w, r, nil)
	if err != nil {
		log.Println("no upgrade:", err)
		return
	}
	defer conn.CloseNow()
	if err := count(r.Context(), conn); err != nil {
		log.Println("feed ended early:", err)
	}
}

// count sends what was ordered. It returns early if the client closes.
func count(ctx context.Context, conn *coder.Conn) error {
	var o order
	if err := wsjson.Read(ctx, conn, &o); err != nil {
		return err
	}
	if o.Every <= 0 {
		return conn.Close(websocket.StatusPolicyViolation, "every must be positive")
	}
	ctx = conn.CloseRead(ctx)
	tick := time.NewTicker(time.Duration(o.Every) * time.Millisecond)
	defer tick.Stop()
	for n := o.From; n <= o.To; n++ {
		if err := wsjson.Write(ctx, conn, value{n}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return conn.Close(websocket.StatusNormalClosure, "that is all")
}
