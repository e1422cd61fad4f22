package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/closeguard/ws/closeguard"
)

func ExampleTraffic() {
	guard, err := closeguard.New(closeguard.Options{CountTraffic: true})
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
	go io.Copy(io.Discard, peer)
	// A client says hello in two frames, with a ping between them, and closes.
	go io.WriteString(peer, "\x01\x83\x00\x00\x00\x00hel\x89\x80\x00\x00\x00\x00\x80\x82\x00\x00\x00\x00lo\x88\x80\x00\x00\x00\x00")
	io.WriteString(conn, "\x81\x07welcome") // as a library does
	io.Copy(io.Discard, conn)
	conn.Close()
	guard.Shutdown(context.Background())
	fmt.Printf("%+v\n", *conn.Event().End().Traffic)
	// Output:
	// {ReceivedMessages:1 ReceivedBytes:5 SentMessages:1 SentBytes:7}
}
