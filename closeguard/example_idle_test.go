package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/closeguard/ws/closeguard"
)

// A test of a program counts what its observers were told. Between the end of a
// connection and that there is a moment.
func ExampleGuard_Idle() {
	var told atomic.Int32
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{closeguard.ObserverFunc(func(context.Context, closeguard.Event) { told.Add(1) })},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer guard.Close()
	for range 2 {
		ours, peer := net.Pipe()
		conn, err := guard.WrapConn(ours, closeguard.Server)
		if err != nil {
			fmt.Println(err)
			return
		}
		if guard.Stats().Opened == 1 {
			continue // this one stays open
		}
		peer.Close()
		io.Copy(io.Discard, conn) // a library reads until the end
		conn.Close()
	}
	if err := guard.Idle(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	stats := guard.Stats()
	fmt.Println(stats.Open, "open,", stats.Dropped, "dropped,", told.Load(), "events")
	// Output:
	// 1 open, 1 dropped, 3 events
}
