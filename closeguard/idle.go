package closeguard

import (
	"context"
	"fmt"
)

// Idle waits until no connection is closing and the observers know what has
// happened. Open connections stay open, and the guard goes on. It is for tests of
// programs, which then look at what was logged and counted; for the end of one
// connection there is [Handle.Done].
//
// In full: wherever something points to the end, TCP has ended and adapters'
// handlers have returned; no request for a WebSocket waits for its answer; all
// events but [Progress] are delivered. What a peer has done counts from when
// somebody on our side has read it. Called by a handler or an observer, Idle waits
// for the ends of TCP only, and not for the connection that its context leads to. Two
// handlers that call it, each of which has closed its own connection, wait for each
// other until one connection's TCP ends, at latest after CloseTimeout.
//
// When ctx ends first, the error says what is left, and is the context's cause.
func (g *Guard) Idle(ctx context.Context) error {
	own, within := linkFrom(ctx), isWithin(ctx)
	for {
		left, changed := g.unsettled(own, within)
		if left == (unsettled{}) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("closeguard: Idle: %v: %w", left, context.Cause(ctx))
		}
	}
}

// unsettled is what Idle waits for.
type unsettled struct{ closing, unreported, requests, events int }

// String tells it in an error.
func (u unsettled) String() string {
	return fmt.Sprintf("%d connections closing, %d ended and not reported, %d requests not answered, %d events not delivered",
		u.closing, u.unreported, u.requests, u.events)
}

// unsettled returns what there is to wait for, and what is closed when it is time
// to look again.
func (g *Guard) unsettled(own *link, within bool) (left unsettled, changed <-chan struct{}) {
	if own != nil && own.guard == g {
		own.mu.Lock()
		defer own.mu.Unlock()
		if own.end != nil && own.end.counted {
			left.closing--
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	left.closing += g.stats.Closing
	if !within {
		left.unreported, left.requests, left.events = len(g.links)-g.live, g.upgrades, g.untold
	}
	if g.changed == nil {
		g.changed = make(chan struct{})
	}
	return left, g.changed
}
