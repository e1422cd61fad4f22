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

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/sockets"
)

// limit is the size in bytes of the largest message that a site takes.
const limit = 64 << 10

// endpoints are the ways to serve a guarded connection, by path.
var endpoints = []string{"/gorilla", "/coder", "/plain/gorilla", "/plain/coder"}

// libraries are used the same in all sites.
var libraries = sockets.Settings{ReadLimit: limit, Formats: true}

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
	for _, e := range libraries.Endpoints() {
		mux.Handle(e.Path+"/{visit}", e.Serve(guard, func(r *http.Request, s sockets.Socket) error { return obey(r, s, e.Adapter) }))
	}
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

// obey echoes and does what messages say that begin with a slash. An adapter's
// handler closes by what it returns, plain code by the library's own call.
func obey(r *http.Request, s sockets.Socket, adapter bool) error {
	for {
		_, message, err := s.Read()
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
			err = s.CloseWith(code, reason)
		case order == "/abort":
			closeguard.FromContext(r.Context()).Abort()
		case strings.HasPrefix(order, "/"):
			err = fmt.Errorf("unknown order %q", order)
		case len(message) < limit/2: // what floods it is not echoed
			err = s.Write(true, message)
		}
		if err != nil {
			return err
		}
	}
}

func order(code int, reason string) string { return fmt.Sprintf("/close %d %q", code, reason) }

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
