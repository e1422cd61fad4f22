package twintest

import (
	"context"
	"net/http"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// Plain code below the middleware sees the answer to a Close of the guard's as a Close
// of the peer's own. The connection's handle tells them apart, at that moment.
func (a Adapter[C, L]) plainCodeCanTellWhoClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *Server, p *Peer)
		code int // that the library tells
		want string
	}{
		{"CloseKey", func(s *Server, _ *Peer) {
			s.Guard.CloseKey(context.Background(), "user:42", closeguard.CloseFrame{Code: 4001, Reason: "kicked"})
		}, 4001, "local closed 4001"},
		{"Shutdown", func(s *Server, _ *Peer) { s.Guard.StartDrain() }, 1001, "local closed 1001"},
		{"the peer", func(_ *Server, p *Peer) { p.Send(Frame(0x88, ClosePayload(4001, "leaving"))) }, 4001, "peer closed 4001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 10 {
				open, told := make(chan struct{}, 1), make(chan closeguard.CloseEvent, 1)
				s := Start(t, nil, closeguard.Options{}, func(g *closeguard.Guard) http.Handler {
					return g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ws, err := a.Library.Open(w, r)
						if err != nil {
							t.Error(err)
							return
						}
						defer a.Library.Close(ws)
						h := closeguard.FromContext(r.Context())
						h.SetKeys("user:42")
						open <- struct{}{}
						err = a.Library.Read(ws)
						told <- h.Event()
						if a.Library.PeerCode(err) != tt.code {
							t.Errorf("the library tells %v, want %d", err, tt.code)
						}
					}))
				})
				p := s.Dial(t)
				Within(t, a.OpenName, open)
				go tt.end(s, p)
				go p.End()
				ExpectEvent(t, Within(t, "Event", told), tt.want)
				ExpectEvent(t, s.Event(t), tt.want)
			}
		})
	}
}
