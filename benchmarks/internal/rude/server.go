package rude

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// Close measures, with n connections at a time, from a handler's wish to close
// with 1008 to the end of TCP. What has not ended after at most is told as at
// most. The options are the guard's; nil is bare.
func Close(library, kind string, opts *closeguard.Options, n int, most time.Duration) ([]time.Duration, error) {
	var guard *closeguard.Guard
	if opts != nil {
		var err error
		if guard, err = closeguard.New(*opts); err != nil {
			return nil, err
		}
		defer guard.Close() // always nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		Handler:     handler(library, kind, guard),
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, watchKey{}, c) },
	} // its clients are ours
	watched := &listener{Listener: l, conns: make(chan *watch, n)}
	go s.Serve(watched) //nolint:errcheck // Close ends it
	defer s.Close()
	done := make(chan struct{})
	defer close(done)
	for range n {
		if err := hold("ws://"+l.Addr().String(), kind, done); err != nil {
			return nil, err
		}
	}
	var took []time.Duration
	limit := time.After(most + time.Second) // it takes a moment until all have asked
	for range n {
		w := <-watched.conns
		select {
		case <-w.closed:
			took = append(took, time.Duration(w.end.Load()-w.begin.Load()))
		case <-limit:
			limit = time.After(0)
			took = append(took, most)
			defer w.TCPConn.Close()
		}
	}
	return took, nil
}

type watchKey struct{}

// listener hands out connections whose end can be seen.
type listener struct {
	net.Listener
	conns chan *watch
}

// Accept accepts a connection.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &watch{TCPConn: nc.(*net.TCPConn), closed: make(chan struct{})}
	l.conns <- w
	return w, nil
}

// watch is a *net.TCPConn by embedding, writev included.
type watch struct {
	*net.TCPConn
	begin, end atomic.Int64 // Unix nanoseconds
	closed     chan struct{}
	once       sync.Once
}

// Close closes the connection and notes when.
func (w *watch) Close() error {
	w.once.Do(func() {
		w.end.Store(time.Now().UnixNano())
		close(w.closed)
	})
	return w.TCPConn.Close()
}

// wish notes that the server wants to close now.
func wish(r *http.Request) {
	r.Context().Value(watchKey{}).(*watch).begin.Store(time.Now().UnixNano())
}

const (
	code   = 1008
	reason = "bye"
)

// handler closes as soon as a message came; towards a non-reading peer with a
// writer blocked. Bare it does what is needed for the code to arrive: gorilla
// has to read until the answer comes, coder's Close does so itself.
func handler(library, kind string, guard *closeguard.Guard) http.Handler {
	prepare := func(write func([]byte) error) {
		if kind == "non-reading" {
			block(write)
		}
	}
	upgrader := new(gorilla.Upgrader)
	switch {
	case library == "gorilla" && guard == nil:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			c.ReadMessage() //nolint:errcheck // the next one shows
			prepare(func(p []byte) error { return c.WriteMessage(gorilla.BinaryMessage, p) })
			wish(r)
			c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(time.Second)) //nolint:errcheck // as above
			for {
				if _, _, err := c.ReadMessage(); err != nil {
					return
				}
			}
		})
	case library == "gorilla":
		return gorillaadapter.Handler(guard, upgrader, func(r *http.Request, c *gorillaadapter.Conn) error {
			c.ReadMessage() //nolint:errcheck // the close shows
			prepare(func(p []byte) error { return c.WriteMessage(gorilla.BinaryMessage, p) })
			wish(r)
			return closeguard.Error(code, reason, nil)
		})
	case guard == nil:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.Read(r.Context()) //nolint:errcheck // the close shows
			prepare(func(p []byte) error { return c.Write(r.Context(), websocket.MessageBinary, p) })
			wish(r)
			c.Close(code, reason) // as above
		})
	default:
		return coderadapter.Handler(guard, nil, func(r *http.Request, c *coderadapter.Conn) error {
			c.Read(r.Context()) //nolint:errcheck // the close shows
			prepare(func(p []byte) error { return c.Write(r.Context(), websocket.MessageBinary, p) })
			wish(r)
			return closeguard.Error(code, reason, nil)
		})
	}
}

// block writes on a goroutine until a Write has blocked for a while.
func block(write func([]byte) error) {
	var written atomic.Int64
	go func() {
		for message := make([]byte, 16<<10); write(message) == nil; {
			written.Add(1)
		}
	}()
	for before := int64(-1); before != written.Load(); time.Sleep(50 * time.Millisecond) {
		before = written.Load()
	}
}
