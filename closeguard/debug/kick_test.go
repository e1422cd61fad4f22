package debug_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/debug"
)

// Whom Options.Kick lets may close connections, by number or by key, from the page
// itself or without a browser.
func TestKick(t *testing.T) {
	for _, tt := range []struct {
		name, form string
		header     http.Header
		status     int
		says       string
		left       int // open, of two with the key user:ann and one without
	}{
		{"by number", "number=1", nil, 200, "Connection 1: 1 connections", 2},
		{"by key", "key=user:ann&code=4003&reason=no", nil, 200, "key user:ann: 2 connections", 1},
		{"by a quoted key", `key="user\u003aann"`, nil, 200, "key user:ann: 2 connections", 1},
		{"from the page", "number=1", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://example.com"}}, 200, "", 2},
		{"from another site", "number=1", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, 403, "Another site", 3},
		{"from a site beside it", "number=1", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403, "Another site", 3},
		{"from an old browser elsewhere", "number=1", http.Header{"Origin": {"https://evil.example"}}, 403, "Another site", 3},
		{"by nobody", "number=1", http.Header{"X-Guest": {"yes"}}, 403, "You may not", 3},
		{"whom?", "", nil, 400, "Whom?", 3},
		{"both", "number=1&key=user:ann", nil, 400, "Whom?", 3},
		{"a bad key", `key="x`, nil, 400, "Whom?", 3},
		{"nobody's key", "key=<b>", nil, 200, "key &lt;b&gt;: 0 connections", 3},
		{"an illegal code", "number=1&code=1006", nil, 400, "1006", 3},
		{"no code", "number=1&code=x", nil, 400, "code is x", 3},
		{"a large form", "number=1&reason=" + strings.Repeat("x", 70<<10), nil, 400, "can’t be read", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mayKick := func(r *http.Request) bool { return r.Header.Get("X-Guest") == "" }
			inWorld(t, closeguard.Options{}, debug.Options{Kick: mayKick}, func(w *world) {
				for _, path := range []string{"/?user=ann", "/?user=ann", "/"} {
					p := w.visit(path, "192.0.2.1:1")
					go func() {
						p.ReadFrame()
						p.WriteClose(1000, "")
						p.ReadToEnd()
					}()
				}
				w.get("")
				r := httptest.NewRequest(http.MethodPost, "http://example.com/debug/websockets/kick", strings.NewReader(tt.form))
				r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
				for name, values := range tt.header {
					r.Header[name] = values
				}
				got := ask(w, r)
				if got.Code != tt.status || !strings.Contains(strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(got.Body.String()), tt.says) {
					t.Errorf("%d, want %d %q:\n%s", got.Code, tt.status, tt.says, got.Body)
				}
				if n := w.guard.Stats().Open; n != tt.left {
					t.Errorf("%d are open, want %d", n, tt.left)
				}
			})
		})
	}
}

// A peer that doesn't answer keeps the answer of a kick for ten seconds at most, and a
// kick is no GET.
func TestKickOfAMutePeer(t *testing.T) {
	inWorld(t, closeguard.Options{CloseIdle: time.Hour, CloseTimeout: time.Hour}, debug.Options{Kick: func(*http.Request) bool { return true }}, func(w *world) {
		w.visit("/?user=ann", "192.0.2.1:1")
		if r := w.get("kick"); r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") != "POST" {
			t.Errorf("GET: %d", r.Code)
		}
		if body := w.get("connection?number=1").Body.String(); !strings.Contains(body, `name="number" value="1"`) || !strings.Contains(body, `name="key" value="&#34;user:ann&#34;"`) {
			t.Errorf("the forms:\n%s", body)
		}
		began := time.Now()
		r := httptest.NewRequest(http.MethodPost, "/debug/websockets/kick", strings.NewReader("number=1"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := ask(w, r); got.Code != 200 || !strings.Contains(got.Body.String(), "go on") || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %d\n%s", time.Since(began), got.Code, got.Body)
		}
	})
}
