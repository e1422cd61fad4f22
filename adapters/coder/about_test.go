package coder_test

import (
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// What Options say of a request holds in reduced mode, too.
func TestReducedModeAsksAboutTheRequest(t *testing.T) {
	opts := closeguard.Options{
		Route:  func(r *http.Request) string { return "of " + r.URL.Path },
		Remote: func(*http.Request) string { return "192.0.2.7" },
		Attrs:  func(*http.Request) []slog.Attr { return []slog.Attr{slog.Int("tenant", 7)} },
	}
	s := start(t, nil, opts, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ws, err := websocket.Accept(w, r, &options)
			if err != nil {
				t.Error(err)
				return
			}
			c, err := coder.Wrap(g, r, ws)
			if err != nil {
				t.Error(err)
				return
			}
			c.CloseNow()
		})
	})
	s.dialer.Subprotocols = []string{"chat.v3"} // which the server doesn't speak
	p := dial(t, s)
	defer p.Close()
	attr := func(a slog.Attr) bool { return a.Equal(slog.Int("tenant", 7)) }
	if info := s.event(t).Connection(); !slices.ContainsFunc(info.Attrs, attr) || info.Route != "of /" || info.Remote != "192.0.2.7" || info.Path != "/" || !slices.Equal(info.Offered, []string{"chat.v3"}) {
		t.Errorf("info: %+v", info)
	}
}
