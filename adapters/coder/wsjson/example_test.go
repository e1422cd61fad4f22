package wsjson_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// Broken JSON ends the connection with 1007, and the event says what was wrong.
func Example() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	type order struct{ Item string }
	server := httptest.NewServer(coder.Handler(guard, nil, func(r *http.Request, c *coder.Conn) error {
		for {
			var o order
			if err := wsjson.Read(r.Context(), c, &o); err != nil {
				fmt.Println("server:", closeguard.CodeOf(err))
				return err
			}
			if err := wsjson.Write(r.Context(), c, map[string]string{"ordered": o.Item}); err != nil {
				return err
			}
		}
	}))
	defer server.Close()

	ctx := context.Background()
	client, _, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseNow()
	for _, message := range []string{`{"item":"tea"}`, `{"item":tea}`} {
		if err := client.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
			fmt.Println(err)
		}
		_, answer, err := client.Read(ctx)
		if err != nil {
			fmt.Println("client:", websocket.CloseStatus(err))
			break
		}
		fmt.Print("client: ", string(answer))
	}
	guard.Shutdown(ctx)
	// Unordered output:
	// client: {"ordered":"tea"}
	// client: StatusInvalidFramePayloadData
	// server: 1007 invalid frame payload data
}
