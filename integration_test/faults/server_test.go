package faults

import (
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
	"github.com/closeguard/ws/integration_test/sockets"
)

// patience is how long anything may take that has to happen.
const patience = 20 * time.Second

type (
	socket  = sockets.Socket
	handler = sockets.Handler
)

// settings are those of all servers here.
var settings = sockets.Settings{ReadLimit: -1}

// endpoints are the ways to serve a guarded connection: the four, and two in which
// the handler returns and nobody closes.
var endpoints = append(settings.Endpoints(), []sockets.Endpoint{
	{Path: "/dropped/gorilla", Library: "gorilla", Adapter: true, Serve: func(g *closeguard.Guard, f handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if conn, err := gorillaadapter.Upgrade(g, &gorilla.Upgrader{}, w, r, nil); err == nil {
				f(r, sockets.Gorilla{Conn: conn})
			}
		})
	}},
	{Path: "/dropped/coder", Library: "coder", Adapter: true, Serve: func(g *closeguard.Guard, f handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if conn, err := coderadapter.Accept(g, w, r, nil); err == nil {
				conn.SetReadLimit(-1)
				f(r, sockets.Coder{Conn: conn})
			}
		})
	}},
}...)

// A server is a guarded server on recorded listeners, and what its guard's
// observer was told.
type server struct {
	*record.Recorder
	guard  *closeguard.Guard
	events record.Events
	http   *http.Server
}

func newServer(t *testing.T, opts closeguard.Options, f handler) *server {
	t.Helper()
	s := &server{Recorder: record.NewRecorder()}
	opts.Observers = append(opts.Observers, &s.events)
	var err error
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	if s.guard, err = closeguard.New(opts); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, e := range endpoints {
		mux.Handle(e.Path+"/{peer}", e.Serve(s.guard, f))
	}
	s.http = &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)} // peers vanish, handlers panic
	t.Cleanup(func() {
		s.http.Close()
		s.guard.Close()
	})
	return s
}

// serve serves on one more listener, and returns its address.
func (s *server) serve(l net.Listener) (addr string) {
	go s.http.Serve(s.Listener(l))
	return l.Addr().String()
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
