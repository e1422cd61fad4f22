package catalog_test

import (
	"context"
	"fmt"
	"net"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// A server whose clients speak Centrifugo's protocol calls 3008 slow, in log lines and
// in events.
func Example() {
	ended := make(chan closeguard.CloseEvent, 1)
	guard, err := closeguard.New(closeguard.Options{
		CodeName: catalog.Centrifugo,
		Observers: []closeguard.Observer{closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
			if end, ok := ev.(closeguard.CloseEvent); ok {
				ended <- end
			}
		})},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ours, peer := net.Pipe()
	conn, err := guard.WrapConn(ours, closeguard.Server)
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		peer.Read(make([]byte, 125))
		peer.Close()
	}()
	conn.CloseWith(context.Background(), 3008, "")
	fmt.Println(<-ended)
	// Output:
	// websocket closed here: 3008 slow, not answered: EOF
}

func ExampleBySubprotocol() {
	names := catalog.BySubprotocol(map[string]catalog.Names{
		"graphql-transport-ws": catalog.GraphQL,
		"":                     catalog.Centrifugo,
	})
	fmt.Println(names(closeguard.ConnInfo{Subprotocol: "graphql-transport-ws"}, 4403))
	fmt.Println(names(closeguard.ConnInfo{}, 3503))
	// Output:
	// forbidden
	// force disconnect
}
