package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/closeguard/ws/adapters/coder"
	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
)

// newHandler serves the page, the endings and six ways to echo. Messages of up
// to limit bytes are taken.
func newHandler(guard *closeguard.Guard, ended *closes, limit int64) http.Handler {
	g := gorillaEcho{guard, limit}
	c := coderEcho{guard, limit}
	mux := http.NewServeMux()
	mux.Handle("/gorilla", gorilla.Handler(guard, &upgrader, g.guarded))
	mux.Handle("/coder", coder.Handler(guard, nil, c.guarded))
	mux.Handle("/plain/gorilla", guard.Middleware(http.HandlerFunc(g.plain)))
	mux.Handle("/plain/coder", guard.Middleware(http.HandlerFunc(c.plain)))
	mux.HandleFunc("/bare/gorilla", g.bare)
	mux.HandleFunc("/bare/coder", c.bare)
	mux.Handle("GET /closes.json", ended)
	mux.Handle("GET /{$}", servePage())
	return mux
}

// witness records an unguarded connection, of which only that is known which
// the handler tells.
func witness(guard *closeguard.Guard, r *http.Request) driver.Conn {
	nc := guard.Driver().Witness(r.Context(), driver.About{Request: r})
	return nc.(*closeguard.Conn).Driver()
}

//go:embed page.html
var page string

// servePage serves the page and allows it its own style and script only.
func servePage() http.Handler {
	policy := strings.Join([]string{
		"default-src 'none'",
		"style-src " + hashOf("style"),
		"script-src " + hashOf("script"),
		"connect-src 'self'",
		"img-src data:", // the icon
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	page := strings.Replace(page, "<!-- releases -->", releases(), 1)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		io.WriteString(w, page) //nolint:errcheck // the client is gone
	})
}

// releases says which releases of the libraries are compared: what they do without
// closeguard changes from one to the next.
func releases() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var names []string
	for _, m := range info.Deps {
		if strings.HasSuffix(m.Path, "/websocket") {
			names = append(names, html.EscapeString(strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "<p>The libraries here are " + strings.Join(names, " and ") + ".</p>"
}

// hashOf names, for the policy, the page's only element of that name.
func hashOf(element string) string {
	_, rest, _ := strings.Cut(page, "<"+element+">")
	content, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
