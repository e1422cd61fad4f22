package gorilla_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

func TestDial(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"ws": (*httptest.Server).Start, "wss": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			events := make(chan closeguard.CloseEvent, 10)
			g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
				if ev, ok := ev.(closeguard.CloseEvent); ok {
					events <- ev
				}
			})}})
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewUnstartedServer(gorilla.Handler(g, &websocket.Upgrader{}, func(_ *http.Request, c *gorilla.Conn) error {
				_, _, err := c.ReadMessage()
				return err
			}))
			start(s)
			defer s.Close()
			d := &websocket.Dialer{}
			if name == "wss" {
				d.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
			}
			c, _, err := gorilla.Dial(t.Context(), g, d, "ws"+strings.TrimPrefix(s.URL, "http"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !c.Guarded() {
				t.Error("not guarded")
			}
			if err := c.CloseWith(t.Context(), 4000, "bye"); err != nil {
				t.Error(err)
			}
			t.Log(<-events)
			t.Log(<-events)
		})
	}
}
