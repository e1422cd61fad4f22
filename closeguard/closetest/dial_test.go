package closetest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

// The handshakes are those that a library understands, on both sides.
func TestHandshakeWithALibrary(t *testing.T) {
	t.Run("as a client, over TCP", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			c.Write(r.Context(), websocket.MessageText, []byte(r.URL.RequestURI()+" "+r.Header.Get("Origin")))
			c.CloseNow()
		}))
		defer server.Close()
		p, err := closetest.Dial(t.Context(), server.URL+"/path?q=1", http.Header{"Origin": {server.URL}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if f, err := p.ReadFrame(); string(f.Payload) != "/path?q=1 "+server.URL || err != nil {
			t.Errorf("read %v, %v, want the request's path and header", f, err)
		}
		if p.Response.StatusCode != 101 {
			t.Errorf("Response is %v, want the 101", p.Response)
		}
	})
	t.Run("as a server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := closetest.Listen()
			go func() {
				nc, _ := l.Accept()
				p, err := closetest.Accept(t.Context(), nc)
				if err != nil {
					t.Error(err)
					return
				}
				closetest.Polite.Run(t.Context(), p)
				if p.Request.URL.Path != "/path" {
					t.Errorf("the request is for %s", p.Request.URL)
				}
			}()
			c, _, err := websocket.Dial(t.Context(), "ws://example.com/path", &websocket.DialOptions{HTTPClient: inMemory(l)})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(4000, "bye"); err != nil {
				t.Errorf("closing towards a polite server: %v", err)
			}
		})
	})
}

func TestDialFails(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, tt := range []struct{ name, url, want string }{
		{"another answer", plain.URL, "404 Not Found, not 101"},
		{"TLS", "wss://example.com", `scheme "wss" is not ws or http`},
		{"no URL", ":", "missing protocol scheme"},
	} {
		if _, err := closetest.Dial(t.Context(), tt.url, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// A handshake that nobody answers ends with its context, and closes the connection.
func TestHandshakeObeysItsContext(t *testing.T) {
	for name, shake := range map[string]func(context.Context, *closetest.PipeConn) error{
		"Upgrade": func(ctx context.Context, c *closetest.PipeConn) error {
			_, err := closetest.Upgrade(ctx, c, "ws://example.com/", nil)
			return err
		},
		"Accept": func(ctx context.Context, c *closetest.PipeConn) error {
			_, err := closetest.Accept(ctx, c)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			a, _ := closetest.Pipe()
			began := time.Now()
			err := shake(ctx, a)
			if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
				t.Errorf("%s returned %v after %v, want the context's error after 1s", name, err, d)
			}
			if err := a.Close(); err == nil {
				t.Errorf("%s left the connection open", name)
			}
		})
	}
}

// inMemory is a client whose connections the listener accepts.
func inMemory(l *closetest.Listener) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}
