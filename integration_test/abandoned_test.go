package integration_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/integration_test/leftovers"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// abandonTo returns a server whose handler drops its connections, and what its
// guard's observer was told.
func abandonTo(t *testing.T, drop func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) error) (*closeguard.Guard, *visitor) {
	seen := new(events)
	g, err := closeguard.New(closeguard.Options{BareClose: closeguard.GoingAway, Observers: []closeguard.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := drop(g, w, r); err != nil {
			t.Error(err)
		}
	})))
	t.Cleanup(func() {
		g.Close()
		s.Close()
	})
	v := &visitor{rawpeer.Dial(t, "ws"+strings.TrimPrefix(s.URL, "http")+"/peer"), "/peer", seen}
	eventually(t, func() string { return "the server's goroutine has the connection" }, func() bool {
		return len(leftovers.Running("net/http.(*conn).serve(")) == 0
	})
	return g, v
}

// keepCollecting has the collector look until the test ends: which look finds a connection
// depends on what else goes on.
func keepCollecting(t *testing.T) {
	look := time.NewTicker(20 * time.Millisecond)
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			runtime.GC()
			select {
			case <-look.C:
			case <-done:
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		looking.Wait()
		look.Stop()
	})
}

func collectTwice() {
	runtime.GC()
	runtime.GC()
}

// expectAbandoned wants the end that a connection has that the collector found.
func (v *visitor) expectAbandoned(t *testing.T) {
	t.Helper()
	going := rawpeer.Close(1001, "")
	v.expect(t, going)
	v.send(t, going)
	v.expectEnd(t, rawpeer.FIN)
	want := ending{kind: "local closed", code: 1001, clean: true, sent: closing(1001, ""), received: closing(1001, "")}
	ev := v.event(t)
	if got := endingOf(ev); got != want || !errors.Is(ev, closeguard.ErrAbandoned) || loggedCause(ev) != cause.Abandoned.String() {
		t.Errorf("got %+v (%v, cause %v), want %+v and ErrAbandoned", got, ev, ev.Cause(), want)
	}
}

// A connection that the program dropped is closed and reported when the
// garbage collector has found it.
func TestAbandonedConnection(t *testing.T) {
	for _, tt := range []struct {
		name string
		drop func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) error
	}{
		{"gorilla, plain", func(_ *closeguard.Guard, w http.ResponseWriter, r *http.Request) error {
			_, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
			return err
		}},
		{"gorilla, through the adapter", func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) error {
			_, err := gorillaadapter.Upgrade(g, &gorilla.Upgrader{}, w, r, nil)
			return err
		}},
		{"coder, through the adapter", func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) error {
			_, err := coderadapter.Accept(g, w, r, nil)
			return err
		}},
		{"hijacked", func(_ *closeguard.Guard, w http.ResponseWriter, _ *http.Request) error {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, v := abandonTo(t, tt.drop)
			keepCollecting(t)
			v.expectAbandoned(t)
		})
	}
}

// plain coder connections are never collected, because the library's point to
// themselves: they are reported by Shutdown.
func TestAbandonedPlainCoderConnection(t *testing.T) {
	g, v := abandonTo(t, func(_ *closeguard.Guard, w http.ResponseWriter, r *http.Request) error {
		_, err := coder.Accept(w, r, nil)
		return err
	})
	collectTwice()
	done := make(chan error, 1)
	go func() {
		_, err := g.Shutdown(context.Background())
		done <- err
	}()
	down := rawpeer.Close(1001, "server shutting down")
	v.expect(t, down)
	v.send(t, down)
	v.expectEnd(t, rawpeer.FIN)
	if err := <-done; err != nil {
		t.Error(err)
	}
	said := closing(1001, "server shutting down")
	want := ending{kind: "local closed", code: 1001, clean: true, sent: said, received: said}
	ev := v.event(t)
	if got := endingOf(ev); got != want || !errors.Is(ev, closeguard.ErrShutdown) {
		t.Errorf("got %+v (%v), want %+v and ErrShutdown", got, ev, want)
	}
}

// Connections that no HTTP handler made are found too.
func TestAbandonedRawConnection(t *testing.T) {
	seen := new(events)
	g, err := closeguard.New(closeguard.Options{BareClose: closeguard.GoingAway, Observers: []closeguard.Observer{seen}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	func() {
		nc, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.WrapConn(nc, closeguard.Server); err != nil {
			t.Fatal(err)
		}
	}()
	keepCollecting(t)
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 5)
	if n, err := peer.Read(got); string(got[:n]) != "\x88\x02\x03\xe9" {
		t.Fatalf("read % x, %v; want a close with 1001", got[:n], err)
	}
	if _, err := peer.Write(whole(rawpeer.Close(1001, ""))); err != nil {
		t.Fatal(err)
	}
	if ev := seen.close(t, ""); !ev.Clean() || !errors.Is(ev, closeguard.ErrAbandoned) {
		t.Errorf("event %v, want a clean one with ErrAbandoned", ev)
	}
}
