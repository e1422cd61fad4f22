package coder_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// A client's connection is guarded like a server's, with and without TLS.
func TestDial(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"ws": (*httptest.Server).Start, "wss": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t, closeguard.Options{})
			ended := make(chan error, 1)
			s := httptest.NewUnstartedServer(coder.Handler(g, nil, func(_ *http.Request, c *coder.Conn) error {
				err := readMessage(c)
				ended <- err
				return err
			}))
			start(s)
			defer s.Close()
			c, resp, err := coder.Dial(t.Context(), g, s.URL, &websocket.DialOptions{HTTPClient: s.Client()})
			if err != nil {
				t.Fatal(err)
			}
			if !c.Guarded() || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Errorf("guarded: %t, answered %s", c.Guarded(), resp.Status)
			}
			var fe *closeguard.FrameError
			if err := c.CloseWith(t.Context(), 1006, ""); !errors.As(err, &fe) {
				t.Errorf("CloseWith 1006: %v, want a *FrameError", err)
			}
			if err := c.CloseWith(t.Context(), closeguard.MandatoryExtension, "clients may"); err != nil {
				t.Errorf("CloseWith: %v, want nil", err)
			}
			expectEvent(t, c.Event(), "local closed 1010")
			if err := readMessage(c); kind(err) != "local closed 1010" {
				t.Errorf("read %v, want the event", err)
			}
			expectEvent(t, within(t, "the server", ended), "peer closed 1010")
		})
	}
}

// An answer that is no 101 is the library's error, with the answer.
func TestDialRefused(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, resp, err := coder.Dial(t.Context(), newGuard(t, closeguard.Options{}), s.URL, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v; want an error and the 404", resp, err)
	}
}
