package sockets

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Serve serves h on "ws" or "wss" until the test ends, and returns the URL.
func Serve(tb testing.TB, scheme string, h http.Handler) (url string) {
	tb.Helper()
	server := httptest.NewUnstartedServer(h)
	if scheme == "wss" {
		server.StartTLS()
	} else {
		server.Start()
	}
	tb.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}
