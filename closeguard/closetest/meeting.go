package closetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// patience is how long a check waits for what must come, in the bubble's time: longer
// than all of the guard's limits.
const patience = 10 * time.Minute

// A meeting is one connection between an adapter's handler and a peer, with its own guard
// and server. The handler waits; the check holds both ends and is the only one to use
// them.
type meeting struct {
	t      testing.TB
	guard  *closeguard.Guard
	events Recorder
	peer   *Peer
	conn   Conn // the adapter's

	leave    func(func() error) // lets the handler go on with this, once
	returned chan any           // what the handler panicked with, nil if it didn't
	shut     func()
}

// meet opens a connection.
func meet(t testing.TB, a Adapter, opts closeguard.Options) *meeting {
	t.Helper()
	m := &meeting{t: t, returned: make(chan any, 1)}
	opts.Observers = append(opts.Observers, &m.events)
	opts.ErrorLog = slog.New(slog.DiscardHandler)
	opts.BareClose = closeguard.GoingAway // so that a bare close shows
	guard, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	m.guard = guard

	conns := make(chan Conn, 1)
	rest := make(chan func() error, 1)
	var once sync.Once
	m.leave = func(f func() error) { once.Do(func() { rest <- f }) }
	handler := a.Handler(guard, func(c Conn) error {
		conns <- c
		return (<-rest)()
	})

	listener := Listen()
	server := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), // for handlers that panic
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { m.returned <- recover() }()
			handler.ServeHTTP(w, r)
		}),
	}
	go server.Serve(listener) //nolint:errcheck // Close ends it
	m.shut = sync.OnceFunc(func() {
		m.leave(func() error { return nil })
		if m.peer != nil {
			m.peer.Close()
		}
		guard.Close()
		server.Close()
	})
	t.Cleanup(m.shut)

	nc, err := listener.Dial(t.Context())
	if err == nil {
		m.peer, err = Upgrade(t.Context(), nc, "ws://example.com/adapter", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.conn = await(t, "the handler's connection", conns)
	return m
}

// behave lets the peer behave in the background.
func (m *meeting) behave(how Manner) <-chan Seen {
	return start(func() Seen { return how.Run(context.Background(), m.peer) })
}

// read reads a message in the background. The call has begun when read returns.
func (m *meeting) read() <-chan error {
	errs := start(func() error {
		_, err := m.conn.ReadMessage()
		return err
	})
	synctest.Wait()
	return errs
}

// closeWith calls CloseWith in the background.
func (m *meeting) closeWith(code closeguard.Code, reason string) <-chan error {
	return start(func() error { return m.conn.CloseWith(context.Background(), code, reason) })
}

// depart lets the handler return err, and waits until it has.
func (m *meeting) depart(err error) {
	m.t.Helper()
	m.leave(func() error { return err })
	await(m.t, "the handler's return", m.returned)
}

// event waits for the observer's close event.
func (m *meeting) event() closeguard.CloseEvent {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := m.events.WaitClosed(ctx, 1)
	if err != nil {
		m.t.Fatalf("the observer was told of no end: %v", err)
	}
	return events[0]
}

// echo checks that the connection works in both directions.
func (m *meeting) echo() error {
	if err := m.peer.WriteText("ping"); err != nil {
		return fmt.Errorf("the peer's write: %w", err)
	}
	p, err := m.conn.ReadMessage()
	if err != nil || string(p) != "ping" {
		return fmt.Errorf("read %q, %w, want the peer's message", p, err)
	}
	if err := m.conn.WriteMessage([]byte("pong")); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	f, err := m.peer.ReadFrame()
	if err != nil || f.Opcode != OpText || string(f.Payload) != "pong" {
		return fmt.Errorf("the peer read %v, %w, want our message", f, err)
	}
	return nil
}

// start runs f in a goroutine of its own.
func start[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

// await waits for what must come.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case v := <-c:
		return v
	case <-late.C:
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// kind says which event an error is: "peer closed 4001", "local closed 1002", "dropped",
// and in other words if it is none.
func kind(err error) string {
	var ev closeguard.CloseEvent
	if !errors.As(err, &ev) {
		return fmt.Sprintf("no event (%v)", err)
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
