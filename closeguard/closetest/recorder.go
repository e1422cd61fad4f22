package closetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/closeguard/ws/closeguard"
)

// A Recorder is a [closeguard.Observer] that keeps every event, in the order in which the
// guard told them. The zero Recorder is ready to use. All methods may be called at the
// same time. What waits in a synctest bubble has to be told from inside of it.
//
// The methods that return events take filters and return the events that pass all of them.
type Recorder struct {
	mu     sync.Mutex
	events []closeguard.Event
	told   chan struct{} // closed at the next event, made by whoever waits
}

var _ closeguard.Observer = (*Recorder)(nil)

// Observe records ev.
func (r *Recorder) Observe(_ context.Context, ev closeguard.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, ev)
	if r.told != nil {
		close(r.told)
		r.told = nil
	}
}

// Events returns the events so far.
func (r *Recorder) Events(filters ...Filter) []closeguard.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return pass(r.events, filters)
}

// Closed returns the close events so far.
func (r *Recorder) Closed(filters ...Filter) []closeguard.CloseEvent {
	return closeEvents(r.Events(append(slices.Clip(filters), Ended)...))
}

// Of returns the events of one connection, by its number.
func (r *Recorder) Of(number uint64, filters ...Filter) []closeguard.Event {
	return r.Events(append(slices.Clip(filters), Number(number))...)
}

// Take returns all events and forgets them, for a test that goes on.
func (r *Recorder) Take() []closeguard.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.events
	r.events = nil
	return taken
}

// Wait waits until at least n events pass the filters and returns them, or until ctx is
// done. The error is then ctx's, and says how many there are.
func (r *Recorder) Wait(ctx context.Context, n int, filters ...Filter) ([]closeguard.Event, error) {
	for {
		passed, told := r.look(n, filters)
		if len(passed) >= n {
			return passed, nil
		}
		select {
		case <-told:
		case <-ctx.Done():
			return passed, fmt.Errorf("closetest: %d of %d events came: %w", len(passed), n, context.Cause(ctx))
		}
	}
}

// WaitClosed is Wait for close events.
func (r *Recorder) WaitClosed(ctx context.Context, n int, filters ...Filter) ([]closeguard.CloseEvent, error) {
	events, err := r.Wait(ctx, n, append(slices.Clip(filters), Ended)...)
	return closeEvents(events), err
}

// look returns what passes and, if that is too little, what will be closed at the next event.
func (r *Recorder) look(n int, filters []Filter) (passed []closeguard.Event, told <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	passed = pass(r.events, filters)
	if len(passed) < n && r.told == nil {
		r.told = make(chan struct{})
	}
	return passed, r.told
}

func pass(events []closeguard.Event, filters []Filter) []closeguard.Event {
	var passed []closeguard.Event
	for _, ev := range events {
		if !slices.ContainsFunc(filters, func(f Filter) bool { return !f(ev) }) {
			passed = append(passed, ev)
		}
	}
	return passed
}

func closeEvents(events []closeguard.Event) []closeguard.CloseEvent {
	var closed []closeguard.CloseEvent
	for _, ev := range events {
		closed = append(closed, ev.(closeguard.CloseEvent)) // Ended was among the filters
	}
	return closed
}
