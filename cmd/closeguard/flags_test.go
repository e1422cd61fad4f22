package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard/closetest"
)

// What the flags ask for is in the request, and the first message behind it.
func TestRequests(t *testing.T) {
	got := make(chan string, 10)
	url := serve(t, opened(func(ctx context.Context, p *closetest.Peer) {
		h := p.Request.Header
		said := []string{p.Request.Host, p.Request.URL.RequestURI(), h.Get("Origin"), h.Get("Sec-Websocket-Protocol"), h.Get("Authorization")}
		if f, err := p.ReadFrame(); err == nil {
			said = append(said, string(f.Payload))
			got <- strings.Join(said, "|")
		}
		closetest.Polite.Do(ctx, p)
	}))
	url = strings.Replace(url, "ws://", "ws://ann:secret@", 1)
	status, stdout, stderr := command(t, "doctor", "-only", "echo/1000", "-origin", "http://o", "-subprotocol", "a, b",
		"-header", "Host: example.com", "-send", "hello", url+"path?x=y")
	if status != 0 {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	if strings.Contains(stdout, "secret") {
		t.Errorf("the password is in the report:\n%s", stdout)
	}
	want := "example.com|/path?x=y|http://o|a, b|Basic YW5uOnNlY3JldA==|hello"
	if said := <-got; said != want { // of the connection that looks whether there is anything
		t.Errorf("the server was told %s, want %s", said, want)
	}
}

func TestTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := certified.TLS.Clone()
	config.NextProtos = nil
	certified.Close()
	url := strings.Replace(serve(t, func(ctx context.Context, nc net.Conn) {
		over := tls.Server(nc, config)
		defer over.Close()
		polite(ctx, over)
	}), "ws://", "wss://", 1)

	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		flags  []string
		status int
		says   string
	}{
		"a certificate that nobody knows": {nil, 2, "certificate"},
		"one that is told":                {[]string{"-ca", authority}, 0, "good"},
		"any":                             {[]string{"-insecure"}, 0, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"doctor", "-only", "echo/1000,rude/closes-and-half-closes"}, tt.flags...)
			status, stdout, stderr := command(t, append(args, url)...)
			if status != tt.status || !strings.Contains(stdout+stderr, tt.says) {
				t.Errorf("status %d, want %d:\n%s%s", status, tt.status, stdout, stderr)
			}
		})
	}
}
