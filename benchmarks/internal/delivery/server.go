package delivery

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/server"
	"github.com/closeguard/ws/closeguard"
)

// Server serves all scenarios of a library under a way: server.Bare, Plain or
// Adapter.
type Server struct {
	URL   string
	way   string
	guard *closeguard.Guard
	http  *http.Server
	conns *conns
}

// Serve starts a server on a fresh port.
func Serve(library, way string) (*Server, error) {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handle := func(path string, plain http.Handler, adapted http.Handler) {
		switch way {
		case server.Plain:
			plain = guard.Middleware(plain)
		case server.Adapter:
			plain = adapted
		}
		mux.Handle(path, plain)
	}
	if library == "gorilla" {
		for path, f := range gorillaHandlers {
			handle(path, gorillaPlain(f), gorillaAdapted(guard, f))
		}
	} else {
		for path, f := range coderHandlers {
			handle(path, coderPlain(f), coderAdapted(guard, f))
		}
	}
	return start(&Server{way: way, guard: guard}, mux)
}

func start(s *Server, h http.Handler) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.URL = "ws://" + l.Addr().String()
	s.conns = &conns{Listener: l, open: make(map[net.Conn]bool)}
	s.http = &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)} // its clients are ours
	go s.http.Serve(s.conns)                                                //nolint:errcheck // Shutdown ends it
	return s, nil
}

// Shutdown ends a server as a program does: net/http's Shutdown, then the
// guard's, if there is one; then the process is gone, and with it what is still open.
func (s *Server) Shutdown(ctx context.Context) {
	s.http.Shutdown(ctx) //nolint:errcheck // what is open is closed below
	if s.guard != nil && s.way != server.Bare {
		s.guard.Shutdown(ctx) //nolint:errcheck // as above
	}
	s.conns.close()
}

// Close aborts what is open and ends serving.
func (s *Server) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Shutdown(ctx)
}

// Await waits until n connections are open, or ctx is done.
func (s *Server) Await(ctx context.Context, n int) {
	for ; s.conns.count() < n && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
	}
	time.Sleep(100 * time.Millisecond) // what was sent at the opening arrives
}

// conns knows the connections of a listener.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

// Accept accepts a connection.
func (c *conns) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	known := &conn{nc.(*net.TCPConn), c}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[known] = true
	return known, nil
}

func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *conns) close() {
	c.mu.Lock()
	open := make([]net.Conn, 0, len(c.open))
	for nc := range c.open {
		open = append(open, nc)
	}
	c.mu.Unlock()
	for _, nc := range open {
		nc.Close()
	}
}

// conn is a *net.TCPConn by embedding, writev included.
type conn struct {
	*net.TCPConn
	conns *conns
}

// ResumesWrites says that a Write which a deadline cut can be gone on with: the guard does
// not ask what a connection embeds.
func (*conn) ResumesWrites() bool { return true }

// Close closes the connection.
func (c *conn) Close() error {
	c.conns.mu.Lock()
	delete(c.conns.open, c)
	c.conns.mu.Unlock()
	return c.TCPConn.Close()
}
