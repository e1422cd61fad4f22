package hostile

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"

	gorilla "github.com/gorilla/websocket"
)

// The kernel takes our Close, and the goroutine that wrote it gets no processor
// for longer than half of CloseIdle. Meanwhile the peer, which has read the
// Close, answers or ends TCP. The Close has left, and it was the first.
func TestCloseWhoseWriteReturnsLate(t *testing.T) {
	for _, test := range []struct {
		name string
		peer func(p *rawpeer.Peer)
	}{
		{"answered", func(p *rawpeer.Peer) { p.Write(rawpeer.Close(3000, "")) }},
		{"FIN", func(p *rawpeer.Peer) { p.CloseWrite() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			var events closetest.Recorder
			guard, err := closeguard.New(closeguard.Options{
				CloseIdle: 200 * time.Millisecond, CloseTimeout: 5 * time.Second, Observers: []closeguard.Observer{&events},
			})
			if err != nil {
				t.Fatal(err)
			}
			recorder := record.NewRecorder()
			recorder.Pause = func() time.Duration { return 300 * time.Millisecond }
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go http.Serve(recorder.Listener(l), guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil); err == nil {
					conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(3000, ""), time.Now().Add(time.Second))
					conn.Close()
				}
			})))
			p := rawpeer.Dial(t, "ws://"+l.Addr().String()+"/1")
			if f, ok := p.ReadFrame(); !ok || f.CloseCode() != 3000 {
				t.Fatalf("read %v, %s; want our Close", f, p.End)
			}
			test.peer(p)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			closed, err := events.WaitClosed(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if ev, ok := closed[0].(*closeguard.LocalClosed); !ok || ev.Sent == nil {
				t.Errorf("%T %v; want local closed, with 3000 sent", closed[0], closed[0])
			}
		})
	}
}
