package closeguard

import (
	"context"
	"errors"
	"slices"
)

// Call is one call of a library's method by an adapter, from [Conn.Begin] to
// [Call.End]. It turns the library's terminal errors into close events.
type Call struct {
	link *link
	ctx  context.Context
	over bool
}

// Begin begins a call of the library. The ctx is the one that the library is
// given and closes the connection for when it ends; nil if it takes none. A
// connection that a context ended gets no Close of the guard's making.
func (c *Conn) Begin(ctx context.Context) Call { return c.link.call(ctx) }

func (l *link) call(ctx context.Context) Call {
	call := Call{link: l, over: l.over.Load()}
	if ctx != nil && ctx.Done() != nil {
		call.ctx = ctx
		l.mu.Lock()
		if l.calls == nil {
			l.calls = new(calls)
		}
		l.calls.watched = append(l.calls.watched, ctx)
		l.mu.Unlock()
	}
	return call
}

// Keep ends the call with an error that the application shall see as it is.
func (c Call) Keep(err error) error {
	c.forget()
	return err
}

// forget stops watching the call's context.
func (c Call) forget() {
	if c.ctx == nil {
		return
	}
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	// Contexts are compared by their channels: not every type has an ==.
	same := func(ctx context.Context) bool { return ctx.Done() == c.ctx.Done() }
	if i := slices.IndexFunc(l.calls.watched, same); i >= 0 {
		l.calls.watched = slices.Delete(l.calls.watched, i, i+1)
	}
	if c.ctx.Err() != nil && l.hs.timedOut == nil {
		// The library may be about to close for it.
		l.hs.timedOut = context.Cause(c.ctx)
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
	if l.hs.open() {
		l.awaitFlush(lastWait) // the end may have begun, and its type not be known yet
	}
	if telling && l.told == nil && !c.over && !l.reported && (!l.hs.open() || l.hs.fault != nil) {
		l.needClosing().told = err
	}
	if ev := l.event(err, c.over); ev != nil {
		return ev
	}
	return err
}

// ownEvent reports whether this very connection's event is in err's tree; to
// put it into another one would make a circle.
func (l *link) ownEvent(err error) bool {
	var ev CloseEvent
	return errors.As(err, &ev) && ev.end().number == l.number
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

// calls are the contexts of the calls under way.
type calls struct{ watched []context.Context }

// ended notes a context that has ended: it is why the library closes.
func (c *calls) ended(hs *handshake) {
	if c == nil || hs.timedOut != nil {
		return
	}
	for _, ctx := range c.watched {
		if ctx.Err() != nil {
			hs.timedOut = context.Cause(ctx)
			return
		}
	}
}
