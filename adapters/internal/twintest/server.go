package twintest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// patience is how long what must come may take.
const patience = 10 * time.Second

// A Server has a guard, and what its observer was told.
type Server struct {
	URL    string
	Guard  *closeguard.Guard
	Dialer websocket.Dialer

	events closetest.Recorder
	taken  int // of the close events, by the test
}

// Start serves what handler makes of the guard, over TCP or, in a bubble, in
// memory. When the test ends, there must be no close event that it hasn't taken.
func Start(t testing.TB, memory *closetest.Listener, opts closeguard.Options, handler func(*closeguard.Guard) http.Handler) *Server {
	t.Helper()
	s := new(Server)
	s.Dialer.EnableCompression = true
	opts.Observers = append(opts.Observers, &s.events)
	s.Guard = NewGuard(t, opts)
	server := httptest.NewUnstartedServer(handler(s.Guard))
	if memory != nil {
		server.Listener.Close()
		server.Listener = memory
		s.Dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return memory.Dial(ctx) }
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // for handlers that panic
	server.Start()
	s.URL = "ws" + strings.TrimPrefix(server.URL, "http")
	t.Cleanup(func() {
		server.Close()
		s.Guard.Close()
		for _, ev := range s.events.Closed()[s.taken:] {
			t.Errorf("an event too many: %v", ev)
		}
	})
	return s
}

// NewGuard returns a guard whose bare closes show.
func NewGuard(t testing.TB, opts closeguard.Options) *closeguard.Guard {
	t.Helper()
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway
	}
	g, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Event waits for the observer's next close event.
func (s *Server) Event(t testing.TB) closeguard.CloseEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := s.events.WaitClosed(ctx, s.taken+1)
	if err != nil {
		t.Fatal(err)
	}
	s.taken++
	return events[s.taken-1]
}

// Connect returns both ends of a guarded connection that has no handler.
func (a Adapter[C, L]) Connect(t testing.TB, opts closeguard.Options) (*Server, C, *Peer) {
	t.Helper()
	return a.ConnectOver(t, nil, opts)
}

// ConnectOver is Connect, in a bubble over memory.
func (a Adapter[C, L]) ConnectOver(t testing.TB, memory *closetest.Listener, opts closeguard.Options) (*Server, C, *Peer) {
	t.Helper()
	return a.pair(t, memory, opts, a.Open)
}

// Reduced returns both ends of a connection that was opened without the guard.
func (a Adapter[C, L]) Reduced(t testing.TB, memory *closetest.Listener) (*Server, C, *Peer) {
	t.Helper()
	return a.pair(t, memory, closeguard.Options{}, func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) (C, error) {
		ws, err := a.Library.Open(w, r)
		if err != nil {
			return *new(C), err
		}
		return a.Wrap(g, r, ws)
	})
}

// pair returns both ends of a connection that open opens.
func (a Adapter[C, L]) pair(t testing.TB, memory *closetest.Listener, opts closeguard.Options, open func(*closeguard.Guard, http.ResponseWriter, *http.Request) (C, error)) (*Server, C, *Peer) {
	t.Helper()
	conns := make(chan C, 1)
	s := Start(t, memory, opts, func(g *closeguard.Guard) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := open(g, w, r)
			if err != nil {
				t.Error(err)
				return
			}
			conns <- c
		})
	})
	p := s.Dial(t)
	return s, Within(t, "the server's end", conns), p
}

// Handle serves f for each connection.
func (a Adapter[C, L]) Handle(t testing.TB, opts closeguard.Options, f func(*http.Request, C) error) *Server {
	t.Helper()
	return Start(t, nil, opts, func(g *closeguard.Guard) http.Handler { return a.Handler(g, f) })
}

// Within waits for a result that must come.
func Within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
		panic("unreachable")
	}
}
