package gorilla_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// A nil argument is an error that names function and argument.
func TestNilArguments(t *testing.T) {
	g := twintest.NewGuard(t, closeguard.Options{})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	upgrade := func(g *closeguard.Guard, u *websocket.Upgrader, w http.ResponseWriter, r *http.Request) error {
		_, err := gorilla.Upgrade(g, u, w, r, nil)
		return err
	}
	wrap := func(g *closeguard.Guard, ws *websocket.Conn) error {
		_, err := gorilla.Wrap(g, ws)
		return err
	}
	fromRequest := func(r *http.Request, ws *websocket.Conn) error {
		_, err := gorilla.FromRequest(r, ws)
		return err
	}
	dial := func(g *closeguard.Guard) error {
		_, _, err := gorilla.Dial(t.Context(), g, nil, "ws://localhost", nil)
		return err
	}
	for _, tt := range []struct {
		want string
		err  error
	}{
		{"gorilla.Upgrade: guard is nil", upgrade(nil, &upgrader, w, r)},
		{"gorilla.Upgrade: w is nil", upgrade(g, &upgrader, nil, r)},
		{"gorilla.Upgrade: r is nil", upgrade(g, &upgrader, w, nil)},
		{"gorilla.Wrap: guard is nil", wrap(nil, new(websocket.Conn))},
		{"gorilla.Wrap: ws is nil", wrap(g, nil)},
		{"gorilla.FromRequest: r is nil", fromRequest(nil, new(websocket.Conn))},
		{"gorilla.FromRequest: ws is nil", fromRequest(r, nil)},
		{"gorilla.Dial: guard is nil", dial(nil)},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %v, want an error that says %q", tt.err, tt.want)
		}
	}
}

// A nil upgrader is one with all defaults, as nil options are in adapters/coder.
func TestANilUpgraderHasAllDefaults(t *testing.T) {
	for name, h := range map[string]func(g *closeguard.Guard) http.Handler{
		"Handler": func(g *closeguard.Guard) http.Handler {
			return gorilla.Handler(g, nil, func(*http.Request, *gorilla.Conn) error { return nil })
		},
		"Upgrade": func(g *closeguard.Guard) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := gorilla.Upgrade(g, nil, w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				c.CloseWith(r.Context(), closeguard.NormalClosure, "") // the peer tells
			})
		},
	} {
		s := twintest.Start(t, nil, closeguard.Options{}, h)
		if _, _, err := s.Dial(t).ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("%s: %v, want 1000", name, err)
		}
		if ev := s.Event(t); !ev.Clean() {
			t.Errorf("%s: %v, want a clean end", name, ev)
		}
	}
}
