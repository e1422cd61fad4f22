package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/closeguard/ws/closeguard"
)

// endCounts is an observer that counts ends, as for a metric with two labels. There are
// three kinds and a closed list of causes, so the labels' values are few.
type endCounts struct {
	mu   sync.Mutex
	ends map[[2]string]int // by kind and cause
}

func (c *endCounts) Observe(_ context.Context, ev closeguard.Event) {
	end, ok := ev.(closeguard.CloseEvent)
	if !ok {
		return // an Opened, say
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[[2]string{end.Kind(), end.Cause().String()}]++
}

func ExampleObserver() {
	seen := &endCounts{ends: make(map[[2]string]int)}
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{seen}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, bytes := range []string{"", "\x88\x82\x00\x00\x00\x00\x03\xe8"} { // nothing, and a Close with 1000
		ours, peer := net.Pipe()
		conn, err := guard.WrapConn(ours, closeguard.Server)
		if err != nil {
			fmt.Println(err)
			return
		}
		go func() {
			io.WriteString(peer, bytes)
			if bytes != "" {
				io.Copy(io.Discard, peer)
			}
			peer.Close()
		}()
		io.Copy(io.Discard, conn) // a library reads until the end
		conn.Close()
	}
	guard.Idle(context.Background()) // until the observer knows
	fmt.Println(seen.ends)
	// Output:
	// map[[dropped eof]:1 [peer_closed none]:1]
}
