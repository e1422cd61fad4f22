package coder_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// Plain code below the middleware sees the answer to a Close of the guard's as a Close
// of the peer's own. The connection's handle tells them apart, at that moment.
func TestPlainCodeCanTellWhoClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *server, p *peer)
		code websocket.StatusCode // that the library tells
		want string
	}{
		{"CloseKey", func(s *server, _ *peer) {
			s.guard.CloseKey(context.Background(), "user:42", closeguard.CloseFrame{Code: 4001, Reason: "kicked"})
		}, 4001, "local closed 4001"},
		{"Shutdown", func(s *server, _ *peer) { s.guard.StartDrain() }, 1001, "local closed 1001"},
		{"the peer", func(_ *server, p *peer) { p.send(frame(0x88, closePayload(4001, "leaving"))) }, 4001, "peer closed 4001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 10 {
				open, told := make(chan struct{}, 1), make(chan closeguard.CloseEvent, 1)
				s := start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
					return g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ws, err := websocket.Accept(w, r, &options)
						if err != nil {
							t.Error(err)
							return
						}
						defer ws.CloseNow()
						h := closeguard.FromContext(r.Context())
						h.SetKeys("user:42")
						open <- struct{}{}
						_, _, err = ws.Read(context.Background())
						told <- h.Event()
						if code := websocket.CloseStatus(err); code != tt.code {
							t.Errorf("the library tells %v, want %d", err, tt.code)
						}
					}))
				})
				p := dial(t, s)
				within(t, "Accept", open)
				go tt.end(s, p)
				go p.end()
				expectEvent(t, within(t, "Event", told), tt.want)
				expectEvent(t, s.event(t), tt.want)
			}
		})
	}
}
