package debug_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/closeguard/debug"
)

// world is a server whose WebSockets the page shows, in memory.
type world struct {
	t     *testing.T
	guard *closeguard.Guard
	page  *debug.Page
	http.Handler
	listener *closetest.Listener
	server   *http.Server
	name     chan func(*closeguard.Handle) // what "name" does to a connection
}

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) { return w.listener.Dial(ctx) }

// inWorld runs f in a bubble, in which time costs nothing.
func inWorld(t *testing.T, opts closeguard.Options, of debug.Options, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		page, err := debug.New(of)
		if err != nil {
			t.Fatal(err)
		}
		opts.Observers = append(opts.Observers, page)
		opts.Route = func(r *http.Request) string { return r.URL.Path }
		opts.Remote = func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") }
		guard, err := closeguard.New(opts)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, guard: guard, page: page, Handler: page.Handler(guard), listener: closetest.Listen(), name: make(chan func(*closeguard.Handle), 1)}
		mux := http.NewServeMux()
		upgrader := &websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, Subprotocols: []string{"chat.v2"}}
		mux.Handle("/", gorilla.Handler(guard, upgrader, w.obey))
		mux.Handle("/debug/websockets/", w)
		w.server = &http.Server{Handler: guard.Middleware(mux), ErrorLog: log.New(io.Discard, "", 0)}
		go w.server.Serve(w.listener)
		defer w.server.Close()
		defer guard.Close()
		f(w)
	})
}

// obey names the user, who is a key, and does what the messages say.
func (w *world) obey(r *http.Request, c *gorilla.Conn) error {
	h := closeguard.FromContext(r.Context())
	if user := r.FormValue("user"); user != "" {
		h.SetAttrs(slog.String("user", user))
		h.SetKeys("user:" + user)
	}
	for {
		_, message, err := c.ReadMessage()
		if err != nil {
			return err
		}
		order, rest, _ := strings.Cut(string(message), " ")
		switch order {
		case "fail":
			return errors.New(rest)
		case "name":
			(<-w.name)(h)
		case "busy":
			h.Busy()
		case "close":
			code, reason, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(code)
			if err != nil {
				return err
			}
			return closeguard.Error(closeguard.Code(n), reason, nil)
		}
	}
}

// visit opens a WebSocket.
func (w *world) visit(path, remote string) *closetest.Peer {
	w.t.Helper()
	nc, err := w.listener.Dial(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	peer, err := closetest.Upgrade(context.Background(), nc, "ws://example.com"+path, http.Header{"X-Forwarded-For": {remote}})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait() // it has its number
	return peer
}

// get asks for a page.
func (w *world) get(path string) *httptest.ResponseRecorder {
	w.t.Helper()
	synctest.Wait()
	return ask(w, httptest.NewRequest(http.MethodGet, "/debug/websockets/"+path, nil))
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer
}
