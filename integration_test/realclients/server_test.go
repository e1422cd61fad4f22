package realclients

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
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
	guard  *closeguard.Guard
	url    string
	events closetest.Recorder

	mu    sync.Mutex
	last  int
	plans map[string]plan // by path
}

func serve(t *testing.T, scheme string) *site {
	s := &site{plans: make(map[string]plan)}
	guard, err := closeguard.New(closeguard.Options{BareClose: closeguard.GoingAway, Observers: []closeguard.Observer{&s.events}})
	if err != nil {
		t.Fatal(err)
	}
	s.guard = guard
	mux := http.NewServeMux()
	for _, e := range settings.Endpoints() {
		mux.Handle(e.Path+"/{id}", e.Serve(guard, func(r *http.Request, c sockets.Socket) error { return s.run(r, socket{c, e.Adapter}) }))
	}
	s.url = sockets.Serve(t, scheme, mux)
	t.Cleanup(func() { guard.Close() })
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

// expect makes room for a connection: its path, below the site's URL.
func (s *site) expect(e endpoint, p plan) (path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	path = e.path() + "/" + strconv.Itoa(s.last)
	s.plans[path] = p
	return path
}

// ended waits for the one close event of a path, and tells it.
func (s *site) ended(t *testing.T, path string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	switch all, err := s.events.WaitClosed(ctx, 1, closetest.Path(path)); {
	case err != nil:
		return "nothing within 15 s"
	case len(all) > 1:
		return fmt.Sprintf("%d close events", len(all))
	default:
		return tells(all[0])
	}
}
