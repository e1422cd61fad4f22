package metrictest

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Catalogs are those whose codes the scrape tells apart.
func Catalogs() []catalog.Names { return []catalog.Names{catalog.GraphQL} }

// programs are what handlers do with a connection, which is closed when they return.
var programs = map[string]func(net.Conn, *closeguard.Handle){
	"/read": func(conn net.Conn, _ *closeguard.Handle) {
		for p := make([]byte, 512); ; time.Sleep(time.Second / 8) {
			if _, err := conn.Read(p); err != nil {
				return
			}
		}
	},
	"/bye": func(_ net.Conn, h *closeguard.Handle) {
		h.CloseWith(context.Background(), closeguard.NormalClosure, "bye")
	},
	"/illegal": func(conn net.Conn, _ *closeguard.Handle) {
		conn.Write([]byte{0x88, 2, 1006 >> 8, 1006 & 0xff})
		io.Copy(io.Discard, conn)
	},
	"/leave": func(net.Conn, *closeguard.Handle) {},
	"/panic": func(net.Conn, *closeguard.Handle) { panic("of the program's") },
}

// ends are connections, each by what the program and its peer do.
var ends = []struct {
	path string
	peer closetest.Manner
}{
	{"/read", closes(closeguard.GoingAway, "tab closed")},
	{"/read", closes(closeguard.GoingAway, Hostile)},
	{"/read", closes(3001, "")},
	{"/read", closes(4400, "of GraphQL's")},
	{"/read", closes(4242, Hostile)},
	{"/read", closes(4243, Hostile)},
	{"/read", closes(999, Hostile)},
	{"/read", closes(closeguard.AbnormalClosure, "")},
	{"/read", closetest.OneByteClose},
	{"/read", closetest.BadUTF8Close},
	{"/read", vanishesAtLast},
	{"/read", closetest.Resets},
	{"/bye", answers},
	{"/bye", closetest.Mute},
	{"/illegal", answers},
	{"/leave", closetest.Polite},
	{"/panic", answers},
	{"/forbidden", closetest.Polite},
	{"/wrapped", closetest.Polite},
}

// Hostile is what a peer may send as a reason to do harm in what shows it.
const Hostile = "\x00\x1b[2J\r\n\"} 1\n# HELP <script>\u2028\u202e\\\t"

// closes begins with a Close.
func closes(code closeguard.Code, reason string) closetest.Manner {
	return closetest.Manner{Name: "closes", Do: func(_ context.Context, p *closetest.Peer) {
		p.WriteClose(code, reason)
		p.ReadToEnd()
	}}
}

// answers answers a Close after a quarter of a second.
var answers = closetest.Manner{Name: "answers", Do: func(_ context.Context, p *closetest.Peer) {
	frame, _ := p.ReadClose()
	time.Sleep(time.Second / 4)
	p.WriteClose(frame.Code, "")
	p.ReadToEnd()
}}

// vanishesAtLast vanishes when a proxy's limit of a minute is over.
var vanishesAtLast = closetest.Manner{Name: "vanishes at last", Do: func(_ context.Context, p *closetest.Peer) {
	time.Sleep(time.Minute)
	p.Close()
}}

// Play ends connections in a bubble, one after the other, and begins to shut down while
// one is open. At that moment it calls look: what is measured then is in [Scrape].
func Play(t *testing.T, observer closeguard.Observer, look func(*closeguard.Guard)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		nothing := slog.New(slog.DiscardHandler)
		guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{observer}, ErrorLog: nothing})
		if err != nil {
			t.Fatal(err)
		}
		listener := closetest.Listen()
		server := http.Server{Handler: guard.Middleware(handler()), ErrorLog: log.New(io.Discard, "", 0)}
		go server.Serve(listener)
		for _, end := range ends {
			if peer := dial(t, listener, end.path); peer != nil {
				end.peer.Run(t.Context(), peer)
			}
			synctest.Wait()
		}
		go closetest.Mute.Run(t.Context(), dial(t, listener, "/read"))
		synctest.Wait()
		guard.StartDrain()
		synctest.Wait()
		dial(t, listener, "/read")
		synctest.Wait()
		look(guard)
		guard.Shutdown(t.Context())
		server.Close()
	})
}

// dial opens a connection; nil if the server refuses it.
func dial(t *testing.T, listener *closetest.Listener, path string) *closetest.Peer {
	t.Helper()
	nc, err := listener.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := closetest.Upgrade(t.Context(), nc, "ws://example.com"+path, nil)
	if err != nil {
		return nil
	}
	return peer
}

// handler has a route for each program, and two that open no WebSocket.
func handler() http.Handler {
	mux := http.NewServeMux()
	opens := func(program func(net.Conn, *closeguard.Handle)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, err := accept(w, r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotImplemented)
				return
			}
			program(conn, closeguard.FromContext(r.Context()))
			conn.Close()
		}
	}
	for path, program := range programs {
		mux.Handle(path, opens(program))
	}
	mux.HandleFunc("/forbidden", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.Handle("/wrapped", http.TimeoutHandler(opens(programs["/leave"]), time.Minute, ""))
	return mux
}

// accept answers a request for a WebSocket with 101, as a library does.
func accept(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	hash := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(hash[:]))
	return conn, err
}
