package hostile

import (
	"context"
	"net/http"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A socket is a connection of either library.
type socket interface {
	sockets.Socket
	limit(bytes int64)
	readWithin(d time.Duration) error // one message
}

type gorillaSocket struct {
	sockets.Gorilla
	conn interface {
		SetReadLimit(int64)
		SetReadDeadline(time.Time) error
	}
}

func (s gorillaSocket) limit(bytes int64) { s.conn.SetReadLimit(bytes) }

func (s gorillaSocket) readWithin(d time.Duration) error {
	s.conn.SetReadDeadline(time.Now().Add(d))
	_, _, err := s.Read()
	s.conn.SetReadDeadline(time.Time{})
	return err
}

type coderSocket struct {
	sockets.Coder
	conn interface{ SetReadLimit(int64) }
}

func (s coderSocket) limit(bytes int64) { s.conn.SetReadLimit(bytes) }

func (s coderSocket) readWithin(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	_, _, err := s.Conn.Read(ctx)
	return err
}

// A way is one of the ways to serve a guarded connection.
type way struct {
	name, path string
	handler    bool // an adapter's Handler, whose return closes
	plain      bool // the library itself, below the guard's middleware
	serve      func(*crowd) http.Handler
}

// ways are all of them. A habit's handler closes the connection when it returns,
// in all of them but the Handlers, as every example defers it.
var ways = []way{
	{"gorilla's Handler", "/gorilla/handler", true, false, func(c *crowd) http.Handler {
		return gorillaadapter.Handler(c.guard, &gorilla.Upgrader{}, func(r *http.Request, conn *gorillaadapter.Conn) error {
			return c.handle(r, gorillaSocket{sockets.Gorilla{Conn: conn}, conn}, conn)
		})
	}},
	{"coder's Handler", "/coder/handler", true, false, func(c *crowd) http.Handler {
		return coderadapter.Handler(c.guard, nil, func(r *http.Request, conn *coderadapter.Conn) error {
			return c.handle(r, coderSocket{sockets.Coder{Conn: conn}, conn}, conn)
		})
	}},
	{"gorilla's adapter", "/gorilla/adapter", false, false, func(c *crowd) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := gorillaadapter.Upgrade(c.guard, &gorilla.Upgrader{}, w, r, nil)
			if err != nil {
				return
			}
			c.handle(r, gorillaSocket{sockets.Gorilla{Conn: conn}, conn}, conn)
		})
	}},
	{"coder's adapter", "/coder/adapter", false, false, func(c *crowd) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := coderadapter.Accept(c.guard, w, r, nil)
			if err != nil {
				return
			}
			c.handle(r, coderSocket{sockets.Coder{Conn: conn}, conn}, conn)
		})
	}},
	{"plain gorilla", "/gorilla/plain", false, true, func(c *crowd) http.Handler {
		return c.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			c.handle(r, gorillaSocket{sockets.Gorilla{Conn: conn}, conn}, closeguard.FromContext(r.Context()))
		}))
	}},
	{"plain coder", "/coder/plain", false, true, func(c *crowd) http.Handler {
		return c.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := coder.Accept(w, r, nil)
			if err != nil {
				return
			}
			c.handle(r, coderSocket{sockets.Coder{Conn: conn}, conn}, closeguard.FromContext(r.Context()))
		}))
	}},
}

// control is what the adapters' connections and a Handle have in common.
type control interface {
	CloseWith(ctx context.Context, code closeguard.Code, reason string) error
	Abort()
	Done() <-chan struct{}
	Event() closeguard.CloseEvent
	SetKeys(keys ...string)
}
