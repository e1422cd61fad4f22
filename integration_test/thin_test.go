package integration_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/peers"
)

// The thinnest path there is: an unchanged handler under the middleware, a
// real client that uploads too much, and what each side knows of the close.
func TestRefusedUploadArrivesThroughTheMiddleware(t *testing.T) {
	for _, client := range []string{"ws", "undici"} {
		for name, handler := range map[string]http.HandlerFunc{"gorilla": bareGorilla, "coder": bareCoder} {
			for _, secure := range []bool{false, true} {
				scheme := map[bool]string{false: "ws", true: "wss"}[secure]
				t.Run(client+" to "+name+" over "+scheme, func(t *testing.T) {
					c := peers.Node(t, client)
					events := make(chan closeguard.CloseEvent, runs)
					g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{
						closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
							if ev, ok := ev.(closeguard.CloseEvent); ok {
								events <- ev
							}
						})}})
					if err != nil {
						t.Fatal(err)
					}
					s := httptest.NewUnstartedServer(g.Middleware(handler))
					if secure {
						s.StartTLS()
					} else {
						s.Start()
					}
					defer s.Close()
					for range runs {
						r, err := c.Run(t.Context(), peers.Job{
							Kind: peers.Upload, URL: "ws" + strings.TrimPrefix(s.URL, "http"), Size: upload,
						})
						if err != nil {
							t.Fatal(err)
						}
						if r.Code != 1009 || !r.WasClean {
							t.Errorf("client saw %+v", r)
						}
						ev := <-events
						end := ev.End()
						if _, ok := ev.(*closeguard.LocalClosed); !ok || !ev.Clean() || end.Sent.Code != 1009 || end.Received.Code != 1009 {
							t.Errorf("event: %v", ev)
						}
						t.Log(ev, end.Handshake)
					}
				})
			}
		}
	}
}
