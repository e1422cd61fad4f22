package closeguard

import (
	"context"

	"github.com/closeguard/ws/closeguard/driver"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// watched are the contexts of the calls that are under way. The places of a
// connection's calls are taken again and again: there are as many as there were
// calls at a time. The link's mu guards them.
type watched struct{ first *place }

// place is where a context is watched during a call.
type place struct {
	ctx  context.Context // nil: the place is free
	next *place
}

// add takes a place for a context.
func (w *watched) add(ctx context.Context) *place {
	for p := w.first; p != nil; p = p.next {
		if p.ctx == nil {
			p.ctx = ctx
			return p
		}
	}
	w.first = &place{ctx, w.first}
	return w.first
}

// canceled is a context that has ended, nil if none has.
func (w *watched) canceled() context.Context {
	for p := w.first; p != nil; p = p.next {
		if p.ctx != nil && p.ctx.Err() != nil {
			return p.ctx
		}
	}
	return nil
}

// free gives the place back, and returns its context if that has ended.
func (p *place) free() (canceled context.Context) {
	ctx := p.ctx
	p.ctx = nil
	if ctx == nil || ctx.Err() == nil {
		return nil
	}
	return ctx
}

// noteCanceled takes note of a call's context that has ended, if there is one: it
// is why the library closes, or will.
func (l *link) noteCanceled(ctx context.Context) {
	if r := l.machine().Record(); ctx != nil && r.TimedOut.Err == nil {
		l.on(closing.RanOut{Reason: closing.Reason{Cause: closing.Context, Err: context.Cause(ctx)}})
	}
}

// Begin begins a call of the library's.
func (d connDriver) Begin(ctx context.Context) driver.Call {
	l := d.conn.link
	c := driver.Call{Conn: d, Over: l.ended.Load()}
	if ctx != nil && ctx.Done() != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.Place = l.watched.add(ctx)
	}
	return c
}

// unwatch stops watching the call's context.
func (d connDriver) unwatch(c driver.Call) {
	if c.Place == nil {
		return
	}
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteCanceled(c.Place.(*place).free())
}

// KeepCall ends a call with an error that the program shall see as it is.
func (d connDriver) KeepCall(c driver.Call, err error) error {
	d.unwatch(c)
	return err
}

// EndCall ends a call and returns the error that the program shall see.
func (d connDriver) EndCall(c driver.Call, err error, telling bool) error {
	d.unwatch(c)
	if err == nil {
		return nil
	}
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isIn(err) {
		return err
	}
	r := l.machine().Record()
	if r.Open() && l.end != nil {
		l.end.ours.awaitYielding(closing.LastWait) // the end may have begun, and its type not be known yet
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
