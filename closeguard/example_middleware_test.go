package closeguard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// The handler is plain gorilla/websocket and knows nothing of the guard around it. It
// refuses a large message; its client is told 1009, and so is the observer.
func ExampleGuard_Middleware() {
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if end, ok := ev.(closeguard.CloseEvent); ok {
				fmt.Println("server:", end)
			}
		})},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		var upgrader websocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetReadLimit(1000)
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
	server := httptest.NewServer(guard.Middleware(mux)) // the line that matters
	defer server.Close()

	client, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/ws", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	client.WriteMessage(websocket.BinaryMessage, make([]byte, 100_000))
	_, _, err = client.ReadMessage()
	fmt.Println("client:", err)
	client.Close()
	guard.Idle(context.Background()) // until the observer knows
	// Unordered output:
	// client: websocket: close 1009 (message too big)
	// server: websocket closed here: 1009 message too big
}
