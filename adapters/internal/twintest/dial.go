package twintest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// A client's connection is guarded like a server's, with and without TLS.
func (a Adapter[C, L]) dial(t *testing.T) {
	for name, start := range map[string]func(*httptest.Server){"ws": (*httptest.Server).Start, "wss": (*httptest.Server).StartTLS} {
		t.Run(name, func(t *testing.T) {
			g := NewGuard(t, closeguard.Options{})
			ended := make(chan error, 1)
			s := httptest.NewUnstartedServer(a.Handler(g, func(_ *http.Request, c C) error {
				err := a.read(c)
				ended <- err
				return err
			}))
			start(s)
			defer s.Close()
			c, resp, err := a.Dial(t.Context(), g, "ws"+strings.TrimPrefix(s.URL, "http"), s.Client())
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
			ExpectEvent(t, c.Event(), "local closed 1010")
			if err := a.read(c); Kind(err) != "local closed 1010" {
				t.Errorf("read %v, want the event", err)
			}
			ExpectEvent(t, Within(t, "the server", ended), "peer closed 1010")
		})
	}
}

// An answer that is no 101 is the library's error, with the answer.
func (a Adapter[C, L]) dialRefused(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	_, resp, err := a.Dial(t.Context(), NewGuard(t, closeguard.Options{}), "ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %v, %v; want an error and the 404", resp, err)
	}
	if want := a.Library.BadHandshake; want != nil && !errors.Is(err, want) {
		t.Errorf("%v is not %v", err, want)
	}
}
