package record

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Events is an observer that keeps what it is told by the connections' paths, for
// thousands of them. (closetest.Recorder keeps it in one list.)
type Events struct {
	Off bool // keep nothing

	mu     sync.Mutex
	byPath map[string]History
	over   map[string]chan struct{} // closed at the first event that is not Opened
}

// A History is what was told of one connection, or of the request for one.
type History struct {
	Opened  int
	Refused []*closeguard.Refused
	Closed  []closeguard.CloseEvent
	At      time.Time // when the first event came that is not Opened
}

// Observe is for closeguard.Options.
func (e *Events) Observe(_ context.Context, ev closeguard.Event) {
	if e.Off {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	path := ev.Connection().Path
	h := e.byPath[path]
	switch ev := ev.(type) {
	case *closeguard.Opened:
		h.Opened++
	case *closeguard.Refused:
		h.Refused = append(h.Refused, ev)
	case closeguard.CloseEvent:
		h.Closed = append(h.Closed, ev)
	default: // of the guard, not of a connection
		return
	}
	if len(h.Refused)+len(h.Closed) == 1 && h.At.IsZero() {
		h.At = time.Now()
		close(e.overOf(path))
	}
	if e.byPath == nil {
		e.byPath = make(map[string]History)
	}
	e.byPath[path] = h
}

// overOf is called with the lock held.
func (e *Events) overOf(path string) chan struct{} {
	c := e.over[path]
	if c == nil {
		c = make(chan struct{})
		if e.over == nil {
			e.over = make(map[string]chan struct{})
		}
		e.over[path] = c
	}
	return c
}

// Of returns what is known of a path now.
func (e *Events) Of(path string) History {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.byPath[path]
}

// Wait returns what is known of a path once its connection, or the request for one, has
// come to its end, or what there is when patience ends.
func (e *Events) Wait(path string, patience time.Duration) History {
	e.mu.Lock()
	over := e.overOf(path)
	e.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-over:
	case <-late.C:
	}
	return e.Of(path)
}

// All returns everything, by path.
func (e *Events) All() map[string]History {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.byPath)
}

// Forget drops everything.
func (e *Events) Forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.byPath, e.over = nil, nil
}
