package closeguard_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A thousand clients vanish at once, as they do when a proxy restarts: the log gets three
// lines and a sum. Metrics stand beside it and see all of them.
func ExampleSample() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.LevelKey, slog.MessageKey, "ending", "cause", "more":
				return a
			default:
				return slog.Attr{} // too long for an example
			}
		},
	}))
	sample, err := closeguard.Sample(closeguard.LogObserver(logger), closeguard.SampleOptions{First: 3, Interval: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	metrics := &endCounts{ends: make(map[[2]string]int)}
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{sample, metrics}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 1000 {
		ours, peer := net.Pipe()
		conn, err := guard.WrapConn(ours, closeguard.Server)
		if err != nil {
			fmt.Println(err)
			return
		}
		peer.Close()
		conn.Read(make([]byte, 1)) // the library learns of it
		conn.Close()
	}
	guard.Shutdown(context.Background()) // hands on what is summed
	fmt.Println(metrics.ends)
	// Output:
	// level=INFO msg="websocket closed" websocket.ending=dropped websocket.cause=eof
	// level=INFO msg="websocket closed" websocket.ending=dropped websocket.cause=eof
	// level=INFO msg="websocket closed" websocket.ending=dropped websocket.cause=eof
	// level=INFO msg="websocket closed, 997 more like this" websocket.ending=dropped websocket.cause=eof websocket.more=997
	// map[[dropped eof]:1000]
}
