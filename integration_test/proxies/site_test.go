package proxies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// limit is the size in bytes of the largest message that a site takes.
const limit = 64 << 10

// endpoints are the ways to serve a guarded connection, by path.
var endpoints = []string{"/gorilla", "/coder", "/plain/gorilla", "/plain/coder"}

// A site is a server with a guard. It echoes, and closes or aborts when a
// message tells it to.
type site struct {
	guard  *closeguard.Guard
	events closetest.Recorder
	addr   string
	visits atomic.Int64
	wires  sync.Map // of connections, by path
}

func newSite(t *testing.T, opts closeguard.Options) *site {
	t.Helper()
	s := new(site)
	opts.Observers = []closeguard.Observer{&s.events}
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	guard, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.guard = guard
	mux := http.NewServeMux()
	mux.Handle("/gorilla/{visit}", gorillaadapter.Handler(guard, new(gorilla.Upgrader), func(r *http.Request, c *gorillaadapter.Conn) error {
		return obey(r, gorillaSocket{c}, true)
	}))
	mux.Handle("/coder/{visit}", coderadapter.Handler(guard, nil, func(r *http.Request, c *coderadapter.Conn) error {
		return obey(r, coderSocket{c}, true)
	}))
	mux.Handle("/plain/gorilla/{visit}", guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		obey(r, gorillaSocket{c}, false)
	})))
	mux.Handle("/plain/coder/{visit}", guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		obey(r, coderSocket{c}, false)
	})))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.wires.Store(r.URL.Path, r.Context().Value(wireKey{}))
		mux.ServeHTTP(w, r)
	}))
	server.Listener = tap{server.Listener}
	server.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		return context.WithValue(ctx, wireKey{}, nc)
	}
	server.Start()
	t.Cleanup(func() {
		guard.Close()
		server.Close()
	})
	s.addr = server.Listener.Addr().String()
	return s
}

// A socket is a connection of either library, bare or of its adapter.
type socket interface {
	read() ([]byte, error)
	write([]byte) error
	closeWith(code int, reason string) error
}

// obey echoes and does what messages say that begin with a slash. An adapter's
// handler closes by what it returns, plain code by the library's own call.
func obey(r *http.Request, s socket, adapter bool) error {
	for {
		message, err := s.read()
		if err != nil {
			return err
		}
		var code int
		var reason string
		switch order := string(message); {
		case strings.HasPrefix(order, "/close"):
			fmt.Sscanf(order, "/close %d %q", &code, &reason)
			if adapter {
				return closeguard.Error(closeguard.Code(code), reason, nil)
			}
			err = s.closeWith(code, reason)
		case order == "/abort":
			closeguard.FromContext(r.Context()).Abort()
		case strings.HasPrefix(order, "/"):
			err = fmt.Errorf("unknown order %q", order)
		case len(message) < limit/2: // what floods it is not echoed
			err = s.write(message)
		}
		if err != nil {
			return err
		}
	}
}

func order(code int, reason string) string { return fmt.Sprintf("/close %d %q", code, reason) }

type gorillaSocket struct {
	conn interface {
		SetReadLimit(int64)
		ReadMessage() (messageType int, p []byte, err error)
		WriteMessage(messageType int, data []byte) error
		WriteControl(messageType int, data []byte, deadline time.Time) error
	}
}

func (s gorillaSocket) read() ([]byte, error) {
	s.conn.SetReadLimit(limit)
	_, message, err := s.conn.ReadMessage()
	return message, err
}

func (s gorillaSocket) write(message []byte) error {
	return s.conn.WriteMessage(gorilla.TextMessage, message)
}

func (s gorillaSocket) closeWith(code int, reason string) error {
	return s.conn.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}

type coderSocket struct {
	conn interface {
		SetReadLimit(int64)
		Read(context.Context) (coder.MessageType, []byte, error)
		Write(context.Context, coder.MessageType, []byte) error
		Close(coder.StatusCode, string) error
	}
}

func (s coderSocket) read() ([]byte, error) {
	s.conn.SetReadLimit(limit)
	_, message, err := s.conn.Read(context.Background())
	return message, err
}

func (s coderSocket) write(message []byte) error {
	return s.conn.Write(context.Background(), coder.MessageText, message)
}

func (s coderSocket) closeWith(code int, reason string) error {
	return s.conn.Close(coder.StatusCode(code), reason)
}

// A tap is a listener whose connections write down how the proxy ends them.
type tap struct{ net.Listener }

func (l tap) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &wire{TCPConn: c.(*net.TCPConn)}, nil
}

type wireKey struct{}

// A wire is the TCP connection between proxy and server, below the guard.
type wire struct {
	*net.TCPConn

	mu   sync.Mutex
	tail []byte      // the last bytes that were read
	end  rawpeer.End // of the proxy's direction
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.TCPConn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail = append(w.tail, p[:n]...)
	w.tail = w.tail[max(0, len(w.tail)-8):]
	w.note(err)
	return n, err
}

func (w *wire) Write(p []byte) (int, error) {
	n, err := w.TCPConn.Write(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(err)
	return n, err
}

func (w *wire) note(err error) {
	switch {
	case w.end != rawpeer.Open:
	case errors.Is(err, io.EOF):
		w.end = rawpeer.FIN
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		w.end = rawpeer.RST
	}
}

// seen returns the last bytes from the proxy and how it ended TCP; Open if the
// server was first.
func (w *wire) seen() (tail []byte, end rawpeer.End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tail, w.end
}

// wire is the connection of a path.
func (s *site) wire(path string) *wire {
	w, _ := s.wires.Load(path)
	return w.(*wire)
}
