package closeguard

import (
	"context"
	"errors"

	"github.com/closeguard/ws/closeguard/driver"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// watch is the place of a context that is watched during a call. The places of
// a connection's calls are taken again and again: there are as many as there
// were calls at a time.
type watch struct {
	ctx  context.Context // nil: the place is free
	next *watch
}

// call begins a call of the library.
func (l *link) call(ctx context.Context) driver.Call {
	c := driver.Call{Conn: l, Over: l.over.Load()}
	if ctx != nil && ctx.Done() != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.Place = l.watch(ctx)
	}
	return c
}

// watch takes a place for a context.
func (l *link) watch(ctx context.Context) *watch {
	for w := l.watched; w != nil; w = w.next {
		if w.ctx == nil {
			w.ctx = ctx
			return w
		}
	}
	l.watched = &watch{ctx, l.watched}
	return l.watched
}

// noteCanceled takes note of a call whose context has ended: it is why the library
// closes.
func (l *link) noteCanceled() {
	for w := l.watched; w != nil; w = w.next {
		if w.ctx != nil && w.ctx.Err() != nil {
			l.endedBy(w.ctx)
		}
	}
}

// endedBy takes note of a context that has ended.
func (l *link) endedBy(ctx context.Context) {
	if r := l.machine().Record(); r.TimedOut.Err == nil {
		l.on(closing.RanOut{Reason: closing.Reason{Cause: closing.Context, Err: context.Cause(ctx)}})
	}
}

// KeepCall ends a call with an error that the program shall see as it is.
func (l *link) KeepCall(c driver.Call, err error) error {
	l.unwatch(c)
	return err
}

// unwatch stops watching the call's context.
func (l *link) unwatch(c driver.Call) {
	if c.Place == nil {
		return
	}
	place := c.Place.(*watch)
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx := place.ctx
	place.ctx = nil
	if ctx != nil && ctx.Err() != nil {
		l.endedBy(ctx) // the library may be about to close for it
	}
}

// EndCall ends a call and returns the error that the program shall see.
func (l *link) EndCall(c driver.Call, err error, telling bool) error {
	l.unwatch(c)
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ownEvent(err) {
		return err
	}
	r := l.machine().Record()
	if r.Open() {
		l.awaitSentYielding(closing.LastWait) // the end may have begun, and its type not be known yet
		r = l.machine().Record()
	}
	if m := l.machine(); telling && !c.Over && m.Stage() < closing.Reported && (!r.Open() || r.Fault != nil) &&
		!m.Why().Has(closing.Words) && !m.Why().Has(closing.HandlerError) {
		l.on(closing.Told{Reason: closing.Reason{Cause: closing.Words, Err: err}})
	}
	if ev := l.event(err, c.Over); ev != nil {
		return ev
	}
	return err
}

// ownEvent reports whether this very connection's event is in err's tree; to
// put it into another one would make a circle.
func (l *link) ownEvent(err error) bool {
	ev, ok := find[CloseEvent](err)
	return ok && ev.end().guard == l.guard && ev.end().Info.Number == l.number
}

// without returns err without this very connection's event: nil if that is all
// that it says.
func (l *link) without(err error) error {
	if !l.ownEvent(err) {
		return err
	}
	switch e := err.(type) { //nolint:errorlint // what is inside comes next
	case CloseEvent:
		return nil
	case interface{ Unwrap() []error }:
		var kept []error
		for _, err := range e.Unwrap() {
			kept = append(kept, l.without(err))
		}
		return join(kept...)
	default:
		return l.without(errors.Unwrap(err))
	}
}
