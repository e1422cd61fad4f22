package coder_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A nil argument is an error that names function and argument.
func TestNilArguments(t *testing.T) {
	g := twintest.NewGuard(t, closeguard.Options{})
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	accept := func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) error {
		_, err := coder.Accept(g, w, r, nil)
		return err
	}
	wrap := func(g *closeguard.Guard, r *http.Request, ws *websocket.Conn) error {
		_, err := coder.Wrap(g, r, ws)
		return err
	}
	fromRequest := func(r *http.Request, ws *websocket.Conn) error {
		_, err := coder.FromRequest(r, ws)
		return err
	}
	dial := func(g *closeguard.Guard) error {
		_, _, err := coder.Dial(t.Context(), g, "ws://localhost", nil)
		return err
	}
	for _, tt := range []struct {
		want string
		err  error
	}{
		{"coder.Accept: guard is nil", accept(nil, w, r)},
		{"coder.Accept: w is nil", accept(g, nil, r)},
		{"coder.Accept: r is nil", accept(g, w, nil)},
		{"coder.Wrap: guard is nil", wrap(nil, r, new(websocket.Conn))},
		{"coder.Wrap: r is nil", wrap(g, nil, new(websocket.Conn))},
		{"coder.Wrap: ws is nil", wrap(g, r, nil)},
		{"coder.FromRequest: r is nil", fromRequest(nil, new(websocket.Conn))},
		{"coder.FromRequest: ws is nil", fromRequest(r, nil)},
		{"coder.Dial: guard is nil", dial(nil)},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %v, want an error that says %q", tt.err, tt.want)
		}
	}
}
