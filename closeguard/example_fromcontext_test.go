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

// foreign stands for somebody else's library: it opens the WebSocket, keeps the
// connection to itself, and calls the program for each message with a context that
// comes from the request's.
func foreign(onMessage func(ctx context.Context, message []byte) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var upgrader websocket.Upgrader
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, []byte(onMessage(r.Context(), message))) != nil {
				return
			}
		}
	})
}

// The context leads to the connection, also where nobody else hands it out. Inside a
// call of the library's the Close is sent by a goroutine of its own: CloseWith waits for
// the answer, which the library is to read.
func ExampleFromContext() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(guard.Middleware(foreign(func(ctx context.Context, message []byte) string {
		if string(message) != "hello" {
			h := closeguard.FromContext(ctx)
			go h.CloseWith(h.Context(), closeguard.PolicyViolation, "say hello")
		}
		return "hello"
	})))
	defer server.Close()

	client, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, text := range []string{"hello", "boo"} {
		client.WriteMessage(websocket.TextMessage, []byte(text))
	}
	for err == nil {
		_, _, err = client.ReadMessage()
	}
	fmt.Println(err)
	// Output:
	// websocket: close 1008 (policy violation): say hello
}
