package closeguard

import (
	"context"
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// audience is who is to be told of a connection: whoever waits for its end, and the
// observers, to whom a goroutine hands the events while there are any. The link's
// mu guards it.
type audience struct {
	link   *link
	events []Event
	done   chan struct{} // closed when the connection has ended, made by whoever waits
	span   *lifespan     // ended when the connection has, made by whoever asks
}

func (l *link) needAudience() *audience {
	if l.audience == nil {
		l.audience = &audience{link: l}
	}
	return l.audience
}

// tellOpened tells the observers, if there are any, that the connection is open.
func (l *link) tellOpened() {
	if len(l.guard.opts.Observers) > 0 {
		l.needAudience().tell(&Opened{ConnInfo: l.info()})
	}
}

// report hands the final event over.
func (l *link) report() {
	observed := len(l.guard.opts.Observers) > 0
	if !observed && len(l.end.rounds) == 0 {
		l.leave() // there is nobody to tell
		return
	}
	ev := l.event(nil, false)
	took := l.end.took(ev)
	for _, r := range l.end.rounds {
		r.count(l, ev, took) // if it had ended before it joined
	}
	if observed {
		l.needAudience().tell(ev)
	} else {
		l.leave()
	}
}

// leave takes the connection out of the guard's set once its close event is
// delivered.
func (l *link) leave() {
	l.end.ctx = nil // the Conn, which it may lead to, is for the collector
	l.guard.remove(l)
	for _, r := range l.end.rounds {
		r.left(l)
	}
}

// waitDone is closed when the connection has ended.
func (l *link) waitDone() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.needAudience()
	if a.done == nil {
		a.done = make(chan struct{})
		if l.ended.final() {
			close(a.done)
		}
	}
	return a.done
}

// ended wakes whoever waits for the end.
func (a *audience) ended() {
	if a == nil {
		return
	}
	if a.done != nil {
		close(a.done)
	}
	if a.span != nil {
		a.span.end(a.link.event(nil, false))
	}
}

// tell queues an event for the observers, which are called outside of everything,
// one after the other.
func (a *audience) tell(ev Event) {
	a.link.guard.telling()
	if a.events = append(a.events, ev); len(a.events) == 1 {
		a.link.guard.tellers.Do(a.deliver)
	}
}

// deliver calls the observers. One that ends its goroutine keeps nobody from being
// told: another goroutine goes on.
func (a *audience) deliver() {
	for ev := a.first(); ev != nil; {
		delivered := false
		func() {
			defer func() {
				if ev = a.delivered(ev); ev != nil && !delivered {
					a.link.guard.tellers.Do(a.deliver)
				}
			}()
			a.link.guard.observe(a.link.observed(), ev)
			delivered = true
		}()
	}
}

func (a *audience) first() Event {
	a.link.mu.Lock()
	defer a.link.mu.Unlock()
	return a.events[0]
}

// delivered takes note that the observers know of an event, and returns the next
// one, nil if there is none.
func (a *audience) delivered(ev Event) (next Event) {
	a.link.mu.Lock()
	defer a.link.mu.Unlock()
	if _, ok := ev.(CloseEvent); ok {
		a.link.leave()
	}
	a.link.guard.told()
	if a.events = a.events[1:]; len(a.events) > 0 {
		return a.events[0]
	}
	if a.events = nil; a.done == nil && a.span == nil {
		a.link.audience = nil
	}
	return nil
}

// observed is the context that the observers get, which leads to the connection.
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

// flush has the observers hand on what they hold back, and waits for that until ctx ends
// and a moment longer. Within a handler or an observer it does nothing: that may be the
// one that would be waited for.
func (g *Guard) flush(ctx context.Context, within bool) error {
	holds := func(o Observer) bool { _, ok := o.(holder); return ok }
	if within || !slices.ContainsFunc(g.opts.Observers, holds) {
		return nil
	}
	flushed := make(chan struct{})
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		defer close(flushed)
		g.flushFrom(0, lasting)
	}()
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-flushed:
		return nil
	case <-time.After(closing.LastWait):
		return &AbortedError{err: context.Cause(ctx)}
	}
}

// flushFrom flushes the observers from the i-th on, as observeFrom tells them.
func (g *Guard) flushFrom(i int, ctx context.Context) {
	if i == len(g.opts.Observers) {
		return
	}
	defer g.flushFrom(i+1, ctx)
	g.protect(ctx, "Flush", func() { flushObserver(ctx, g.opts.Observers[i]) })
}

// holder is an observer that holds something back.
type holder interface{ Flush(ctx context.Context) }

func flushObserver(ctx context.Context, o Observer) {
	if h, ok := o.(holder); ok {
		h.Flush(ctx)
	}
}
