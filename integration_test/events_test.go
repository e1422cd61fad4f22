package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

// events is an observer that keeps what it is told, by the connections' paths.
type events struct {
	forget bool // keep nothing

	mu  sync.Mutex
	all map[string]*history
}

type history struct {
	opened  int
	refused []*closeguard.Refused
	closed  []closeguard.CloseEvent
	over    chan struct{} // closed at the first event that is not Opened
	at      time.Time     // when that came
}

func newEvents() *events { return &events{all: make(map[string]*history)} }

func (e *events) Observe(_ context.Context, ev closeguard.Event) {
	if e.forget {
		return
	}
	h := e.of(ev.Connection().Path)
	e.mu.Lock()
	defer e.mu.Unlock()
	first := len(h.refused)+len(h.closed) == 0
	switch ev := ev.(type) {
	case *closeguard.Opened:
		h.opened++
		return
	case *closeguard.Refused:
		h.refused = append(h.refused, ev)
	case closeguard.CloseEvent:
		h.closed = append(h.closed, ev)
	default: // of the guard, not of a connection
		return
	}
	if first {
		h.at = time.Now()
		close(h.over)
	}
}

func (e *events) of(path string) *history {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.all[path]
	if h == nil {
		h = &history{over: make(chan struct{})}
		e.all[path] = h
	}
	return h
}

// wait returns what is known of a path once its connection, or the request
// for one, has come to its end.
func (e *events) wait(t testing.TB, path string) history {
	t.Helper()
	h := e.of(path)
	select {
	case <-h.over:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: no event within 10 s", path)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return *h
}

// close waits for the one close event of a path.
func (e *events) close(t testing.TB, path string) closeguard.CloseEvent {
	t.Helper()
	h := e.wait(t, path)
	if h.opened != 1 || len(h.closed) != 1 || len(h.refused) != 0 {
		t.Fatalf("%s: %d opened, %v closed, %v refused; want 1, 1 and 0", path, h.opened, h.closed, h.refused)
	}
	return h.closed[0]
}

// An ending is what these tests compare of a close event.
type ending struct {
	kind                     string // of the event: peer closed, local closed, dropped
	code                     closeguard.Code
	clean                    bool
	sent, received, intended string // frames as text, "": none
	illegal                  string // the broken rule and the value that breaks it
}

func endingOf(ev closeguard.CloseEvent) ending {
	end := ev.End()
	e := ending{
		kind: record.KindOf(ev), code: ev.Code(), clean: ev.Clean(),
		sent: text(end.Sent), received: text(end.Received), intended: text(end.Intended),
	}
	if fe := (*closeguard.FrameError)(nil); errors.As(ev, &fe) {
		e.illegal = illegal(fe.Rule, fe.Value)
	}
	return e
}

func text(f *closeguard.CloseFrame) string {
	if f == nil {
		return ""
	}
	return f.String()
}

func illegal(rule string, value int64) string { return fmt.Sprintf("%s: %d", rule, value) }

func closing(code closeguard.Code, reason string) string {
	return closeguard.CloseFrame{Code: code, Reason: reason}.String()
}

// paths is how many different connections there were.
func (e *events) paths() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}
