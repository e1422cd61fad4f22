package scale

import (
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
)

// server serves the same plain gorilla/websocket handler twice: /guarded, and
// /bare with what a program writes by hand to find its connections again.
type server struct {
	guard *closeguard.Guard
	addr  string

	handlers sync.WaitGroup // of bare connections
	mu       sync.Mutex
	added    sync.Cond // to the two maps
	bare     map[*bare]struct{}
	keys     map[string]*bare
}

type bare struct {
	conn  *websocket.Conn
	ended chan struct{} // closed when the handler has returned
}

// serve starts a server on a port that was not used before.
func serve(t *testing.T, opts closeguard.Options) *server {
	t.Helper()
	guard, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{guard: guard, addr: listener.Addr().String(), bare: make(map[*bare]struct{}), keys: make(map[string]*bare)}
	s.added.L = &s.mu
	mux := http.NewServeMux()
	mux.Handle("/guarded", guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if key := r.FormValue("key"); key != "" {
			closeguard.FromContext(r.Context()).SetKeys(key)
		}
		echo(w, r, func(*websocket.Conn) func() { return func() {} })
	})))
	mux.HandleFunc("/bare", func(w http.ResponseWriter, r *http.Request) {
		echo(w, r, func(c *websocket.Conn) (ended func()) { return s.add(c, r.FormValue("key")) })
	})
	h := &http.Server{Handler: mux}
	go h.Serve(listener)
	t.Cleanup(func() {
		guard.Close()
		h.Close()
	})
	return s
}

// echo is the handler. It knows nothing of a guard.
func echo(w http.ResponseWriter, r *http.Request, opened func(*websocket.Conn) (ended func())) {
	upgrader := websocket.Upgrader{}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	ended := opened(c)
	defer ended()
	defer c.Close()
	for {
		kind, message, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(kind, message); err != nil {
			return
		}
	}
}

func (s *server) add(c *websocket.Conn, key string) (ended func()) {
	b := &bare{c, make(chan struct{})}
	s.handlers.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bare[b] = struct{}{}
	s.keys[key] = b
	s.added.Broadcast()
	return func() {
		s.mu.Lock()
		delete(s.bare, b)
		if s.keys[key] == b {
			delete(s.keys, key)
		}
		s.mu.Unlock()
		close(b.ended)
		s.handlers.Done()
	}
}

// awaitBare waits until n handlers have told of their connections: a client sees the 101
// before.
func (s *server) awaitBare(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.bare) < n {
		s.added.Wait()
	}
}

// shutdownByHand is the loop that a program writes itself: a Close to each
// connection, and then it waits for the answers.
func (s *server) shutdownByHand() {
	s.mu.Lock()
	all := make([]*bare, 0, len(s.bare))
	for b := range s.bare {
		all = append(all, b)
	}
	s.mu.Unlock()
	frame := websocket.FormatCloseMessage(websocket.CloseGoingAway, "server shutting down")
	for _, b := range all {
		b.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(time.Second))
	}
	s.handlers.Wait()
}

// kickByHand closes one connection and waits for its handler.
func (s *server) kickByHand(key string, code int, reason string) {
	s.mu.Lock()
	for s.keys[key] == nil {
		s.added.Wait()
	}
	b := s.keys[key]
	s.mu.Unlock()
	b.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	<-b.ended
}
