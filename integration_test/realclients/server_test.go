package realclients

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

// A plan is what a server does with a connection when its first message has
// come. Without one it echoes that, and everything else.
type plan func(h *closeguard.Handle, s socket) error

// A socket is a connection of either library, bare or of its adapter.
type socket interface {
	read() ([]byte, error)
	write([]byte) error
	close(closeguard.CloseFrame) error
}

// An endpoint is a library and whether its adapter is used: if not, it is
// plain code of the library's under the middleware.
type endpoint struct{ library, use string }

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
	mux.Handle("/gorilla/adapter/{id}", gorillaadapter.Handler(guard, &upgrader, func(r *http.Request, c *gorillaadapter.Conn) error {
		return s.run(r, adapterSocket{gorillaSocket{c}})
	}))
	mux.Handle("/coder/adapter/{id}", coderadapter.Handler(guard, &options, func(r *http.Request, c *coderadapter.Conn) error {
		return s.run(r, adapterSocket{coderSocket{c}})
	}))
	mux.Handle("/gorilla/plain/{id}", guard.Middleware(http.HandlerFunc(s.plainGorilla)))
	mux.Handle("/coder/plain/{id}", guard.Middleware(http.HandlerFunc(s.plainCoder)))
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

// Pages of browsers come from elsewhere.
var (
	upgrader = gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	options  = coder.AcceptOptions{InsecureSkipVerify: true}
)

func (s *site) plainGorilla(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	s.run(r, gorillaSocket{conn})
}

func (s *site) plainCoder(w http.ResponseWriter, r *http.Request) {
	conn, err := coder.Accept(w, r, &options)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	s.run(r, coderSocket{conn})
}

func (s *site) run(r *http.Request, conn socket) error {
	s.mu.Lock()
	plan := s.plans[r.URL.Path]
	s.mu.Unlock()
	for {
		message, err := conn.read()
		if err != nil {
			return err
		}
		if plan != nil {
			return plan(closeguard.FromContext(r.Context()), conn)
		}
		if err := conn.write(message); err != nil {
			return err
		}
	}
}

// expect makes room for a connection: its URL, and where its end will be told.
func (s *site) expect(e endpoint, p plan) (url string, end <-chan closeguard.CloseEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	path := "/" + e.library + "/" + e.use + "/" + strconv.Itoa(s.last)
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

// An adapterSocket closes by what the handler returns.
type adapterSocket struct{ socket }

func (adapterSocket) close(f closeguard.CloseFrame) error {
	return closeguard.Error(f.Code, f.Reason, nil)
}

type gorillaSocket struct {
	conn interface {
		ReadMessage() (messageType int, p []byte, err error)
		WriteMessage(messageType int, data []byte) error
		WriteControl(messageType int, data []byte, deadline time.Time) error
	}
}

func (s gorillaSocket) read() ([]byte, error) {
	_, message, err := s.conn.ReadMessage()
	return message, err
}

func (s gorillaSocket) write(message []byte) error {
	return s.conn.WriteMessage(gorilla.TextMessage, message)
}

func (s gorillaSocket) close(f closeguard.CloseFrame) error {
	return s.conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(int(f.Code), f.Reason), time.Now().Add(time.Second))
}

type coderSocket struct {
	conn interface {
		Read(context.Context) (coder.MessageType, []byte, error)
		Write(context.Context, coder.MessageType, []byte) error
		Close(coder.StatusCode, string) error
	}
}

func (s coderSocket) read() ([]byte, error) {
	_, message, err := s.conn.Read(context.Background())
	return message, err
}

func (s coderSocket) write(message []byte) error {
	return s.conn.Write(context.Background(), coder.MessageText, message)
}

func (s coderSocket) close(f closeguard.CloseFrame) error {
	return s.conn.Close(coder.StatusCode(f.Code), f.Reason)
}
