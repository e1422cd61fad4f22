package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/closeguard/ws/closeguard"
)

// A program that does the opening handshake itself, on a connection that net/http has
// never seen, hands it to the guard behind the 101, and what it gets to its library.
func ExampleGuard_WrapConn() {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, client := net.Pipe() // as from a net.Listener
	go func() {
		frame := make([]byte, 8)
		io.ReadFull(client, frame)
		fmt.Printf("the client reads %q\n", frame)
		io.WriteString(client, "\x88\x82\x00\x00\x00\x00\x0f\xa0") // its answer, 4000
		io.Copy(io.Discard, client)
		client.Close()
	}()

	conn, err := guard.WrapConn(raw, closeguard.Server)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	err = conn.CloseWith(context.Background(), 4000, "done")
	fmt.Println(conn.Event(), err)
	// Output:
	// the client reads "\x88\x06\x0f\xa0done"
	// websocket closed here: 4000 private use "done" <nil>
}
