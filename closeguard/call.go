package closeguard

import (
	"context"
	"errors"
	"net"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// The three calls of a library's: one whose context can't end, one that began after
// the library had closed or the program knew of the end, and one whose context is
// watched.
type (
	call        struct{ link *link }
	lateCall    struct{ link *link }
	watchedCall struct {
		link *link
		ctx  context.Context // nil: there is no call
		next *watchedCall
	}
)

// watched are the calls that are under way and have a context. One that is over is
// used again for the next: there are as many as there were at a time. The link's mu
// guards them.
type watched struct{ first *watchedCall }

// Begin begins a call of the library's.
func (d connDriver) Begin(ctx context.Context) driver.Call {
	l := d.conn.link
	switch {
	case l.ended.late():
		return lateCall{l}
	case ctx == nil || ctx.Done() == nil:
		return call{l}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return d.conn.watched.add(l, ctx)
}

func (c call) Keep(err error) error     { return err }
func (c lateCall) Keep(err error) error { return err }

func (c *watchedCall) Keep(err error) error {
	c.leave()
	return err
}

func (c call) End(err error, telling bool) error     { return c.link.endCall(err, telling, false) }
func (c lateCall) End(err error, telling bool) error { return c.link.endCall(err, telling, true) }

// End says of a call whose context has closed the connection that it was the context:
// what the library says may be net.ErrClosed alone, as it happens.
func (c *watchedCall) End(err error, telling bool) error {
	canceled := c.leave()
	err = c.link.endCall(err, telling, false)
	if canceled != nil && errors.Is(err, net.ErrClosed) && !errors.Is(err, canceled.Err()) {
		if _, ended := find[CloseEvent](err); !ended {
			return conceal(join(canceled.Err(), err))
		}
	}
	return err
}

// leave stops watching the call's context, and returns it if it has ended.
func (c *watchedCall) leave() (canceled context.Context) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if ctx := c.ctx; ctx != nil && ctx.Err() != nil {
		canceled = ctx
	}
	c.ctx = nil
	c.link.noteCanceled(canceled)
	return canceled
}

// endCall returns the error that the program shall see of a call that is over.
func (l *link) endCall(err error, telling, late bool) error {
	if err == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isIn(err) {
		return err
	}
	r := l.machine().Record()
	if r.Open() && l.end != nil {
		l.end.ours.awaitYielding(closing.LastWait) // the end may have begun, and its type not be known yet
	}
	if m := l.machine(); telling && !late && m.Stage() < closing.Reported && (!r.Open() || r.Fault != nil) &&
		!m.Why().Has(cause.None) && !m.Why().Has(cause.HandlerError) {
		l.on(closing.Told{Reason: closing.Reason{Cause: cause.None, Err: err}})
	}
	if ev := l.event(err, late); ev != nil {
		l.ended.grow(known)
		return ev
	}
	return err
}

// add makes a call with a context, of one that is over if there is one.
func (w *watched) add(l *link, ctx context.Context) *watchedCall {
	for c := w.first; c != nil; c = c.next {
		if c.ctx == nil {
			c.ctx = ctx
			return c
		}
	}
	w.first = &watchedCall{l, ctx, w.first}
	return w.first
}

// canceled is a context that has ended, nil if none has.
func (w *watched) canceled() context.Context {
	for c := w.first; c != nil; c = c.next {
		if c.ctx != nil && c.ctx.Err() != nil {
			return c.ctx
		}
	}
	return nil
}

// noteCanceled takes note of a call's context that has ended, if there is one: it
// is why the library closes, or will.
func (l *link) noteCanceled(ctx context.Context) {
	if r := l.machine().Record(); ctx != nil && r.TimedOut.Err == nil {
		l.on(closing.RanOut{Reason: closing.Reason{Cause: cause.Context, Err: context.Cause(ctx)}})
	}
}
