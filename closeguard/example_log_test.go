package closeguard_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

func ExampleLogObserver() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || strings.HasSuffix(a.Key, "_ms") {
				return slog.Attr{} // differs from run to run
			}
			return a
		},
	}))
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{closeguard.LogObserver(logger)},
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
	go func() { // a browser whose tab is closed
		fmt.Fprint(peer, "\x88\x8c\x00\x00\x00\x00\x03\xe9tab closed")
		io.Copy(io.Discard, peer)
	}()
	io.Copy(io.Discard, conn) // a library reads until the end
	conn.Close()
	guard.Shutdown(context.Background())
	// Output:
	// level=INFO msg="websocket closed" websocket.ending=peer_closed websocket.code=1001 websocket.name="going away" websocket.reason="tab closed" websocket.cause=none websocket.clean=true websocket.answered=true websocket.sent_code=1001 websocket.sent_reason="tab closed" websocket.received_code=1001 websocket.received_reason="tab closed" websocket.conn=1 websocket.role=server websocket.guarded=true websocket.remote=pipe
}
