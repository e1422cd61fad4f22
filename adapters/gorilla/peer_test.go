package gorilla_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/gorilla/websocket"
)

// A server has a guard, and what its observer was told.
type server struct {
	url    string
	guard  *closeguard.Guard
	events chan closeguard.CloseEvent
	dialer websocket.Dialer
}

// start serves what handler makes of the guard, over TCP or, in a bubble, in
// memory. When the test ends, there must be no close event that it hasn't taken.
func start(t testing.TB, memory *closetest.Listener, opts closeguard.Options, handler func(*closeguard.Guard) http.Handler) *server {
	t.Helper()
	s := &server{events: make(chan closeguard.CloseEvent, 10)}
	s.dialer.EnableCompression = true
	opts.Observers = append(opts.Observers, closeguard.ObserverFunc(func(_ context.Context, ev closeguard.Event) {
		if ev, ok := ev.(closeguard.CloseEvent); ok {
			s.events <- ev
		}
	}))
	s.guard = newGuard(t, opts)
	server := httptest.NewUnstartedServer(handler(s.guard))
	if memory != nil {
		server.Listener.Close()
		server.Listener = memory
		s.dialer.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return memory.Dial(ctx) }
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // for handlers that panic
	server.Start()
	s.url = "ws" + strings.TrimPrefix(server.URL, "http")
	t.Cleanup(func() {
		server.Close()
		s.guard.Close()
		for len(s.events) > 0 {
			t.Errorf("an event too many: %v", <-s.events)
		}
	})
	return s
}

func newGuard(t testing.TB, opts closeguard.Options) *closeguard.Guard {
	t.Helper()
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	g, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// event waits for the observer's next close event.
func (s *server) event(t testing.TB) closeguard.CloseEvent {
	t.Helper()
	select {
	case ev := <-s.events:
		return ev
	case <-time.After(10 * time.Second):
		t.Fatal("no close event within 10 s")
		return nil
	}
}

// A peer is a client of gorilla's, which answers a Close if it reads, and
// whose TCP connection a test can write to.
type peer struct {
	*websocket.Conn
	t testing.TB
}

func dial(t testing.TB, s *server) *peer {
	t.Helper()
	ws, _, err := s.dialer.Dial(s.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &peer{ws, t}
}

// frame is a client's frame with the mask 0. The first byte has the opcode,
// 0x80 on a final frame and 0x40 on a compressed one.
func frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n > 65535:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = append(b, 0x80|byte(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// closePayload is the payload of a Close, legal or not.
func closePayload(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// send writes frames in one piece.
func (p *peer) send(frames ...[]byte) {
	var b []byte
	for _, f := range frames {
		b = append(b, f...)
	}
	if _, err := p.UnderlyingConn().Write(b); err != nil {
		p.t.Error(err)
	}
}

func (p *peer) fin() { p.UnderlyingConn().(interface{ CloseWrite() error }).CloseWrite() }

func (p *peer) reset() {
	p.UnderlyingConn().(interface{ SetLinger(int) error }).SetLinger(0)
	p.Close()
}

// silent makes the peer leave a Close unanswered. It goes before the first read.
func (p *peer) silent() { p.SetCloseHandler(func(int, string) error { return nil }) }

// expect reads a message.
func (p *peer) expect(want string) {
	p.t.Helper()
	if _, got, err := p.ReadMessage(); err != nil || string(got) != want {
		p.t.Errorf("the peer read %q, %v; want %q", got, err, want)
	}
}

// end reads, and answers a Close, until the connection ends: `1000 "bye"`, "EOF", "reset".
func (p *peer) end() string {
	for {
		_, message, err := p.ReadMessage()
		var ce *websocket.CloseError
		switch {
		case err == nil:
			p.t.Errorf("the peer read %q, want the end", message)
		case errors.As(err, &ce) && ce.Code == websocket.CloseAbnormalClosure:
			return "EOF"
		case errors.As(err, &ce) && ce.Text != "":
			return strconv.Itoa(ce.Code) + " " + strconv.Quote(ce.Text)
		case errors.As(err, &ce):
			return strconv.Itoa(ce.Code)
		case errors.Is(err, syscall.ECONNRESET):
			return "reset"
		default:
			return err.Error()
		}
	}
}

// kind is an event's type and code, "open" for none: "peer closed 1001", "local closed
// 4000", "dropped".
func kind(err error) string {
	var ev closeguard.CloseEvent
	if !errors.As(err, &ev) {
		return "open"
	}
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return fmt.Sprint("peer closed ", int(ev.Code()))
	case *closeguard.LocalClosed:
		return fmt.Sprint("local closed ", int(ev.Code()))
	default:
		return "dropped"
	}
}

// within waits for a result that must come.
func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing within 10 s", what)
		panic("unreachable")
	}
}
