package realclients

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A plan is what a server does with a connection when its first message has
// come. Without one it echoes that, and everything else.
type plan func(h *closeguard.Handle, s socket) error

// A socket is a connection of either library, bare or of its adapter.
type socket struct {
	sockets.Socket
	adapter bool
}

// closeWith closes: plain code with the library's own call, an adapter's handler by what
// it returns.
func (s socket) closeWith(f closeguard.CloseFrame) error {
	if s.adapter {
		return closeguard.Error(f.Code, f.Reason, nil)
	}
	return s.CloseWith(int(f.Code), f.Reason)
}

// An endpoint is a library and whether its adapter is used: if not, it is
// plain code of the library's under the middleware.
type endpoint struct{ library, use string }

func (e endpoint) path() string {
	if e.use == "plain" {
		return "/plain/" + e.library
	}
	return "/" + e.library
}

var endpoints = []endpoint{{"gorilla", "adapter"}, {"gorilla", "plain"}, {"coder", "adapter"}, {"coder", "plain"}}

// A site is a server with all endpoints and a guard of its own.
type site struct {
	guard *closeguard.Guard
	url   string

	mu    sync.Mutex
	last  int
	plans map[string]plan                       // by path
	ends  map[string]chan closeguard.CloseEvent // by path
}

func serve(t *testing.T, scheme string) *site {
	s := &site{plans: make(map[string]plan), ends: make(map[string]chan closeguard.CloseEvent)}
	guard, err := closeguard.New(closeguard.Options{BareClose: closeguard.GoingAway, Observers: []closeguard.Observer{closeguard.ObserverFunc(s.observe)}})
	if err != nil {
		t.Fatal(err)
	}
	s.guard = guard
	mux := http.NewServeMux()
	for _, e := range settings.Endpoints() {
		mux.Handle(e.Path+"/{id}", e.Serve(guard, func(r *http.Request, c sockets.Socket) error { return s.run(r, socket{c, e.Adapter}) }))
	}
	server := httptest.NewUnstartedServer(mux)
	if scheme == "wss" {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		guard.Close()
		server.Close()
	})
	s.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return s
}

// settings are those of all sites. Pages of browsers come from elsewhere.
var settings = sockets.Settings{
	Upgrader: gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }},
	Accept:   coder.AcceptOptions{InsecureSkipVerify: true},
	Formats:  true,
}

func (s *site) run(r *http.Request, conn socket) error {
	s.mu.Lock()
	plan := s.plans[r.URL.Path]
	s.mu.Unlock()
	for {
		_, message, err := conn.Read()
		if err != nil {
			return err
		}
		if plan != nil {
			return plan(closeguard.FromContext(r.Context()), conn)
		}
		if err := conn.Write(true, message); err != nil {
			return err
		}
	}
}

// expect makes room for a connection: its URL, and where its end will be told.
func (s *site) expect(e endpoint, p plan) (url string, end <-chan closeguard.CloseEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	path := e.path() + "/" + strconv.Itoa(s.last)
	c := make(chan closeguard.CloseEvent, 2) // a second one would be a fault
	s.plans[path], s.ends[path] = p, c
	return s.url + path, c
}

func (s *site) observe(_ context.Context, ev closeguard.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ev, ok := ev.(closeguard.CloseEvent); ok {
		s.ends[ev.Connection().Path] <- ev
	}
}
