package closeguard_test

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

const (
	askUpgrade = "GET /chat/42 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
)

// site is a real HTTP server in a bubble, below it a guard's middleware.
type site struct {
	t        *testing.T
	guard    *closeguard.Guard
	log      *recorder
	listener *closetest.Listener
}

// serve starts a server for one handler under a new guard.
func serve(t *testing.T, opts closeguard.Options, handler http.HandlerFunc) *site {
	t.Helper()
	s := &site{t: t, log: new(recorder)}
	opts.Observers = append(opts.Observers, s.log)
	s.guard = newGuard(t, opts)
	s.listener = listen(t, s.guard.Middleware(handler))
	return s
}

// listen starts a server, which is closed at the end of the test.
func listen(t *testing.T, h http.Handler) *closetest.Listener {
	t.Helper()
	l := closetest.Listen()
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if err, ok := v.(runtime.Error); ok { // net/http would hide it
				t.Errorf("%v\n%s", err, debug.Stack())
			}
			if v != nil {
				panic(v)
			}
		}()
		h.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: watched, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l
}

// visit is a client's connection to a site.
type visit struct {
	*closetest.PipeConn
	t *testing.T
}

// dial connects and sends these bytes.
func (s *site) dial(request string) *visit { return dial(s.t, s.listener, request) }

func dial(t *testing.T, l *closetest.Listener, request string) *visit {
	t.Helper()
	c, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return &visit{c.(*closetest.PipeConn), t}
}

// ask connects to a server over TCP, outside of a bubble, and asks for a WebSocket.
func ask(t *testing.T, server net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, askUpgrade); err != nil {
		t.Fatal(err)
	}
	return c
}

// head reads an HTTP head, and nothing behind it.
func (v *visit) head() string {
	v.t.Helper()
	var b bytes.Buffer
	for !strings.HasSuffix(strings.ReplaceAll(b.String(), "\r", ""), "\n\n") {
		if _, err := io.CopyN(&b, v, 1); err != nil {
			v.t.Errorf("HTTP head: %q, %v", b.String(), err)
			return ""
		}
	}
	return b.String()
}

// sees reads frames until the end of the stream.
func (v *visit) sees(want string) {
	v.t.Helper()
	(&guarded{t: v.t, peer: v.PipeConn, role: closeguard.Server}).peerSees(want)
}

// gets reads as many frames as want has.
func (v *visit) gets(want string) {
	v.t.Helper()
	(&guarded{t: v.t, peer: v.PipeConn, role: closeguard.Server}).peerGets(want)
}

func (v *visit) send(frames ...frame) {
	v.t.Helper()
	if _, err := v.Write(wireBytes(closeguard.Client, frames...)); err != nil {
		v.t.Errorf("the client's Write: %v", err)
	}
}

// hijack takes the connection of a request, as gorilla/websocket does.
func hijack(t *testing.T, w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
	t.Helper()
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		panic(http.ErrAbortHandler)
	}
	return c, rw
}

// upgrade opens a WebSocket as gorilla/websocket does: it writes the 101 itself.
func upgrade(t *testing.T, w http.ResponseWriter) net.Conn {
	t.Helper()
	c, _ := hijack(t, w)
	c.SetDeadline(time.Time{})
	if _, err := io.WriteString(c, switching); err != nil {
		t.Error(err)
	}
	return c
}

// accept opens a WebSocket as coder/websocket does: net/http writes the 101.
func accept(t *testing.T, w http.ResponseWriter) (net.Conn, *bufio.ReadWriter) {
	t.Helper()
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.WriteHeader(http.StatusSwitchingProtocols)
	return hijack(t, w)
}
