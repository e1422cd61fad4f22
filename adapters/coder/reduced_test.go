package coder_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/coder/wsjson"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A call that fails by itself is not the end.
func TestReducedModeAndErrorsOfOneCall(t *testing.T) {
	s, c, p := adapter.Reduced(t, nil)
	if err := wsjson.Write(t.Context(), c, func() {}); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("a value that has no JSON: %v", err)
	}
	w, err := c.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := w.Close(); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("a writer that is closed: %v", err)
	}
	p.Expect("")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx); err == nil || twintest.Kind(err) != "open" {
		t.Errorf("a pong that doesn't come: %v", err)
	}
	adapter.ExpectEcho(t, c, p)
	p.Send(twintest.Frame(0x88, twintest.ClosePayload(1001, "")))
	twintest.ExpectEvent(t, readMessage(c), "peer closed 1001")
	if ev := s.Event(t); twintest.Kind(ev) != "peer closed 1001" {
		t.Errorf("event %v", ev)
	}
}

// What Options say of a request holds in reduced mode, too.
func TestReducedModeAsksAboutTheRequest(t *testing.T) {
	opts := closeguard.Options{
		Route:  func(r *http.Request) string { return "of " + r.URL.Path },
		Remote: func(*http.Request) string { return "192.0.2.7" },
		Attrs:  func(*http.Request) []slog.Attr { return []slog.Attr{slog.Int("tenant", 7)} },
	}
	s := twintest.Start(t, nil, opts, func(g *closeguard.Guard) http.Handler {
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
	s.Dialer.Subprotocols = []string{"chat.v3"} // which the server doesn't speak
	p := s.Dial(t)
	defer p.Close()
	attr := func(a slog.Attr) bool { return a.Equal(slog.Int("tenant", 7)) }
	if info := s.Event(t).Connection(); !slices.ContainsFunc(info.Attrs, attr) || info.Route != "of /" || info.Remote != "192.0.2.7" || info.Path != "/" || !slices.Equal(info.Offered, []string{"chat.v3"}) {
		t.Errorf("info: %+v", info)
	}
}
