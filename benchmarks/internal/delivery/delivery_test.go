package delivery

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/benchmarks/internal/server"
)

// A Close behind a Write that is blocked arrives when the peer reads again. For that the
// guard has to know that the server's connections are sockets.
func TestFullSendBuffer(t *testing.T) {
	for _, library := range []string{"gorilla", "coder"} {
		t.Run(library, func(t *testing.T) {
			d, err := Serve(library, server.Adapter)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Close)
			dialer := websocket.Dialer{NetDialContext: dialNarrow}
			conn, _, err := dialer.Dial(d.URL+"/full", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.WriteMessage(websocket.TextMessage, []byte("go")); err != nil {
				t.Fatal(err)
			}
			look := time.NewTicker(10 * time.Millisecond)
			defer look.Stop()
			for s := d.guard.Stats(); s.Opened == 0 || s.Open > 0 && s.Closing == 0; s = d.guard.Stats() {
				<-look.C // nothing is read until the server has begun to close
			}
			for err == nil {
				_, _, err = conn.ReadMessage()
			}
			if ce := (*websocket.CloseError)(nil); !errors.As(err, &ce) || ce.Code != 1013 || ce.Text != "too slow" {
				t.Errorf("the client saw %v, want 1013 too slow", err)
			}
		})
	}
}

// dialNarrow dials a connection that is full soon.
func dialNarrow(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return nc, nc.(*net.TCPConn).SetReadBuffer(1 << 20)
}
