package wrappers

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// words are frames as tests compare them.
func words(frames []rawpeer.Frame, end rawpeer.End) string {
	var all []string
	for _, f := range frames {
		all = append(all, f.String())
	}
	return strings.Join(append(all, string(end)), ", ")
}

// A ReverseProxy below the guard passes on what the ends of its streams are: who ends
// its own still gets what the other one says.
func TestReverseProxyPassesAHalfClose(t *testing.T) {
	for _, tt := range []struct {
		name    string
		script  func(client, backend *rawpeer.Peer)
		client  string // what it gets
		backend string
		told    []string // of the guard's observers, when both sides have read to the end
	}{
		{
			name: "the backend's, without a word",
			script: func(client, backend *rawpeer.Peer) {
				backend.Write(rawpeer.Text("last"))
				backend.CloseWrite()
				client.ReadUntilEnd()
				client.Write(rawpeer.Text("still here"), rawpeer.Close(4002, ""))
				client.CloseWrite()
				backend.ReadUntilEnd()
			},
			client: `text "last", FIN`, backend: `text masked "still here", close masked 4002 "", FIN`,
			told: []string{"Opened", "PeerClosed 4002, bare_close"},
		},
		{
			name: "the backend's, behind its Close",
			script: func(client, backend *rawpeer.Peer) {
				backend.Write(rawpeer.Close(1000, "done"))
				backend.CloseWrite()
				client.ReadUntilEnd()
				client.Write(rawpeer.Close(1000, "done"))
				client.CloseWrite()
				backend.ReadUntilEnd()
			},
			client: `close 1000 "done", FIN`, backend: `close masked 1000 "done", FIN`,
			told: []string{"Opened", "LocalClosed 1000, clean"},
		},
		{
			name: "the client's",
			script: func(client, backend *rawpeer.Peer) {
				client.Write(rawpeer.Text("last"))
				client.CloseWrite()
				backend.ReadUntilEnd()
				backend.Write(rawpeer.Text("still here"))
				backend.CloseWrite()
				client.ReadUntilEnd()
			},
			client: `text "still here", FIN`, backend: `text masked "last", FIN`,
			told: []string{"Opened", "Dropped 1006, eof"},
		},
	} {
		for _, guarded := range []bool{false, true} {
			t.Run(map[bool]string{false: "bare", true: "guarded"}[guarded]+", "+tt.name, func(t *testing.T) {
				var seen closetest.Recorder
				g, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{&seen}})
				if err != nil {
					t.Fatal(err)
				}
				url, accepted := proxy(t, func(h http.Handler) http.Handler {
					if guarded {
						return g.Middleware(h)
					}
					return h
				})
				client := rawpeer.Dial(t, url)
				backend := <-accepted
				tt.script(client, backend)
				if got := words(client.Frames, client.End); got != tt.client {
					t.Errorf("the client gets %s, want %s", got, tt.client)
				}
				if got := words(backend.Frames, backend.End); got != tt.backend {
					t.Errorf("the backend gets %s, want %s", got, tt.backend)
				}
				client.TCP.Close()
				if !guarded {
					return
				}
				seen.WaitClosed(t.Context(), 1)
				g.Close()
				var told []string
				for _, ev := range seen.Events() {
					told = append(told, inWords(ev))
				}
				if !slices.Equal(told, tt.told) {
					t.Errorf("told %q, want %q", told, tt.told)
				}
			})
		}
	}
}

// proxy serves a ReverseProxy, and returns where, and the connections that its backend
// has accepted.
func proxy(t *testing.T, around func(http.Handler) http.Handler) (address string, accepted <-chan *rawpeer.Peer) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	peers := make(chan *rawpeer.Peer, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		p, err := rawpeer.Accept(t, nc)
		if err != nil {
			t.Error(err)
		}
		peers <- p
	}()
	to := &url.URL{Scheme: "http", Host: l.Addr().String()}
	s := httptest.NewServer(around(&httputil.ReverseProxy{ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), peers
}
