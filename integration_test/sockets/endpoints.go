package sockets

import (
	"errors"
	"net/http"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
)

// A Handler serves one connection. Plain library code has nobody to take its error.
type Handler func(r *http.Request, s Socket) error

// ErrDropped is what a Handler returns for plain library code that forgets to close.
var ErrDropped = errors.New("dropped")

// An Endpoint is a way to serve a guarded connection.
type Endpoint struct {
	Path    string
	Library string
	Adapter bool // the library's adapter, not plain code of the library's under the middleware
	Serve   func(*closeguard.Guard, Handler) http.Handler
}

// Settings are how the libraries are used.
type Settings struct {
	Upgrader  gorilla.Upgrader
	Accept    coder.AcceptOptions
	ReadLimit int64 // of a message in bytes, 0: the library's own, -1: none
	Formats   bool  // as of [Gorilla]
}

// Endpoints returns the four ways: both libraries, with their adapters and as plain code.
func (s *Settings) Endpoints() []Endpoint {
	return []Endpoint{
		{"/gorilla", "gorilla", true, func(g *closeguard.Guard, f Handler) http.Handler {
			return gorillaadapter.Handler(g, &s.Upgrader, func(r *http.Request, c *gorillaadapter.Conn) error {
				s.limit(c)
				return f(r, Gorilla{c, s.Formats})
			})
		}},
		{"/coder", "coder", true, func(g *closeguard.Guard, f Handler) http.Handler {
			return coderadapter.Handler(g, &s.Accept, func(r *http.Request, c *coderadapter.Conn) error {
				s.limit(c)
				return f(r, Coder{c})
			})
		}},
		{"/plain/gorilla", "gorilla", false, func(g *closeguard.Guard, f Handler) http.Handler {
			return g.Middleware(s.PlainGorilla(f))
		}},
		{"/plain/coder", "coder", false, func(g *closeguard.Guard, f Handler) http.Handler {
			return g.Middleware(s.PlainCoder(f))
		}},
	}
}

// PlainGorilla is a handler that knows nothing of a guard.
func (s *Settings) PlainGorilla(f Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := s.Upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		s.limit(conn)
		serve(r, Gorilla{conn, s.Formats}, f)
	}
}

// PlainCoder is the same with the other library.
func (s *Settings) PlainCoder(f Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &s.Accept)
		if err != nil {
			return
		}
		s.limit(conn)
		serve(r, Coder{conn}, f)
	}
}

// serve closes the connection as every example defers it.
func serve(r *http.Request, s Socket, f Handler) {
	var err error
	defer func() {
		if err != ErrDropped { //nolint:errorlint // it is that very one
			s.Close()
		}
	}()
	err = f(r, s)
}

func (s *Settings) limit(c interface{ SetReadLimit(int64) }) {
	if s.ReadLimit != 0 {
		c.SetReadLimit(s.ReadLimit)
	}
}
