package closeguard

import (
	"context"
	"errors"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// Call is one call of a library's method by an adapter, from [Conn.Begin] to
// [Call.End] or [Call.Keep], of which there has to be one. It turns the library's
// terminal errors into close events.
type Call struct {
	link  *link
	watch *watch // of its context, nil if that can't end
	over  bool
}

// watch is the place of a context that is watched during a call. The places of
// a connection's calls are taken again and again: there are as many as there
// were calls at a time.
type watch struct {
	ctx  context.Context // nil: the place is free
	next *watch
}

// Begin begins a call of the library. The ctx is the one that the library is
// given and closes the connection for when it ends; nil if it takes none. A
// connection that a context ended gets no Close of the guard's making.
func (c *Conn) Begin(ctx context.Context) Call { return c.link.call(ctx) }

func (l *link) call(ctx context.Context) Call {
	call := Call{link: l, over: l.over.Load()}
	if ctx != nil && ctx.Done() != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		call.watch = l.watch(ctx)
	}
	return call
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

// Keep ends the call with an error that the application shall see as it is.
func (c Call) Keep(err error) error {
	c.forget()
	return err
}

// forget stops watching the call's context.
func (c Call) forget() {
	if c.watch == nil {
		return
	}
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	ctx := c.watch.ctx
	c.watch.ctx = nil
	if ctx != nil && ctx.Err() != nil {
		l.endedBy(ctx) // the library may be about to close for it
	}
}

// End ends the call and returns the error that the application shall see: nil
// for nil; on a connection that has ended, the close event with err in its
// tree; else err. An error that concerns one message only is for Keep. With
// telling, err says more about the cause than the Close frames do, and the
// observers get to know it too if it came with the end or a broken rule.
func (c Call) End(err error, telling bool) error {
	c.forget()
	if err == nil {
		return nil
	}
	l := c.link
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
	if m := l.machine(); telling && !c.over && m.Stage() < closing.Reported && (!r.Open() || r.Fault != nil) &&
		!m.Why().Has(closing.Words) && !m.Why().Has(closing.HandlerError) {
		l.on(closing.Told{Reason: closing.Reason{Cause: closing.Words, Err: err}})
	}
	if ev := l.event(err, c.over); ev != nil {
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
