package closeguard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// report hands the final event over.
func (l *link) report() {
	if len(l.guard.opts.Observers) == 0 && len(l.end.rounds) == 0 {
		l.guard.remove(l) // there is nobody to tell
		return
	}
	ev, took := l.tookToEnd()
	for _, r := range l.end.rounds {
		r.reported(ev, took)
	}
	l.tell(ev)
}

// tookToEnd is how a connection ended, and how long that took.
func (l *link) tookToEnd() (ev CloseEvent, took time.Duration) {
	ev = l.event(nil, false)
	took = ev.end().Handshake
	if since := l.end.Since(); since != 0 {
		took = max(took, l.end.ClosedAt()-since) // it counts, too, while the Close can't leave
	}
	return ev, took
}

// event is what is known now, with err as the caller's own cause.
func (l *link) event(err error, over bool) CloseEvent {
	r := l.machine().Record()
	switch r.First {
	case closing.Nobody:
		return nil
	case closing.Peer:
		ev := new(PeerClosed)
		l.describe(&ev.Ending, &r, err, over)
		if !over && ev.Err != nil {
			ev.Err = conceal(ev.Err)
		}
		return ev
	case closing.Us:
		ev := new(LocalClosed)
		l.describe(&ev.Ending, &r, err, over)
		return ev
	case closing.Transport:
		ev := new(Dropped)
		l.describe(&ev.Ending, &r, err, over)
		if !over && !ev.aborted && ev.Err != nil {
			ev.Err = conceal(ev.Err)
		}
		return ev
	}
	panic("BUG: closeguard: a party that there isn't")
}

// describe fills e in, which is zero.
func (l *link) describe(e *Ending, r *closing.Record, err error, over bool) {
	now := l.end.ClosedAt()
	if now == 0 {
		now = l.guard.now()
	}
	e.Info = l.info()
	e.Duration = now - l.opened
	e.Idle = max(0, now-l.in.LastActive())
	e.Sent, e.Received, e.Intended = frameOf(r.Sent), frameOf(r.Received), frameOf(r.Intended)
	e.Panic = l.end.panic
	e.misfit, e.aborted = r.Misfit, r.Aborted
	e.guard, e.over = l.guard, over
	if r.Began != 0 {
		e.Handshake = now - r.Began
	}
	if r.Illegal != nil {
		e.illegal, e.answer = true, Code(r.Illegal.Code())
	}
	e.Err = causes(l.end.Why(), r, err)
}

func frameOf(f *closing.Frame) *CloseFrame {
	if f == nil {
		return nil
	}
	out := outside(*f)
	return &out
}

// causes puts together what has brought the end about, the most telling first.
// With words, a caller's own, they take the place of what was said before. How
// TCP ended tells nothing where both Closes have crossed.
func causes(why closing.Reasons, r *closing.Record, words error) error {
	if r.First == closing.Transport && r.Down == nil && r.TimedOut.Err != nil {
		why = append(slices.Clip(why), r.TimedOut)
	}
	var errs []error
	said := false
	for _, reason := range why.Telling() {
		if words != nil && !said && reason.Cause.Tells(closing.Words) {
			errs, said = append(errs, words), true
		}
		switch {
		case reason.Cause.OfTransport() && r.Complete():
		case words != nil && (reason.Cause == closing.HandlerError || reason.Cause == closing.Words):
		default:
			errs = append(errs, asError(reason))
		}
	}
	if words != nil && !said {
		errs = append(errs, words)
	}
	return join(errs...)
}

// asError is a reason as an error for the program.
func asError(r closing.Reason) error {
	var v *closing.Violation
	switch {
	case r.Err == nil:
		return sentinel(r.Cause)
	case errors.As(r.Err, &v):
		return frameError(v)
	default:
		return r.Err
	}
}

// audience is who is to be told of a connection. While there are events, a
// goroutine hands them to the observers.
type audience struct {
	events []Event
	done   chan struct{} // closed when the connection has ended, made by whoever waits
}

// waitDone is closed when the connection has ended.
func (l *link) waitDone() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.needAudience()
	if a.done == nil {
		a.done = make(chan struct{})
		if l.over.Load() {
			close(a.done)
		}
	}
	return a.done
}

func (l *link) needAudience() *audience {
	if l.audience == nil {
		l.audience = new(audience)
	}
	return l.audience
}

// tellOpened tells the observers, if there are any, that the connection is open.
func (l *link) tellOpened() {
	if len(l.guard.opts.Observers) > 0 {
		l.tell(&Opened{Info: l.info()})
	}
}

// tell queues an event for the observers, which are called outside of
// everything, one after the other.
func (l *link) tell(ev Event) {
	if len(l.guard.opts.Observers) == 0 {
		l.forget(ev)
		return
	}
	a := l.needAudience()
	if a.events = append(a.events, ev); len(a.events) == 1 {
		l.guard.tellers.Do(l.deliver)
	}
}

// deliver calls the observers. One that ends its goroutine keeps nobody from
// being told: another goroutine goes on.
func (l *link) deliver() {
	for ev := l.firstEvent(); ev != nil; {
		delivered := false
		func() {
			defer func() {
				if ev = l.delivered(ev); ev != nil && !delivered {
					l.guard.tellers.Do(l.deliver)
				}
			}()
			l.guard.observe(l.observed(), ev)
			delivered = true
		}()
	}
}

func (l *link) firstEvent() Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.audience.events[0]
}

// delivered takes note that the observers know of an event, and returns the next
// one, nil if there is none.
func (l *link) delivered(ev Event) (next Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(ev)
	a := l.audience
	if a.events = a.events[1:]; len(a.events) > 0 {
		return a.events[0]
	}
	if a.events = nil; a.done == nil {
		l.audience = nil
	}
	return nil
}

// forget drops the connection from the guard's set once its close event is
// delivered; the caller has mu.
func (l *link) forget(ev Event) {
	if _, ok := ev.(CloseEvent); ok {
		l.guard.remove(l)
		for _, r := range l.end.rounds {
			r.left(l)
		}
	}
}

// observed is the context of the observers, which leads to the connection.
func (l *link) observed() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return context.WithoutCancel(&requestContext{l.context(), l})
}

// context is the context of the request that made the connection. It is kept by
// the Conn while the program has that: it may lead to the Conn.
func (l *link) context() context.Context {
	c := l.conn.Value()
	switch {
	case l.opening != nil:
		return l.opening.ctx
	case l.end != nil && l.end.ctx != nil:
		return l.end.ctx
	case c != nil:
		return c.ctx
	default:
		return context.Background()
	}
}
