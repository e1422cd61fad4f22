package closeguard

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// drain is the end of a guard: all connections are closed, spread over a window.
type drain struct {
	*round

	mu    sync.Mutex
	until instant       // when the last Close shall leave
	force instant       // when busy connections are closed too, 0: never
	hurry chan struct{} // closed and made anew when one of the two is brought forward
}

// all are the connections that are open or not yet reported.
func (g *Guard) all() []*link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.links))
}

// Draining is closed when the guard begins to shut down: a handler that sees
// it can finish what it does, call Idle, or close by itself.
func (g *Guard) Draining() <-chan struct{} { return g.drained }

// StartDrain begins to shut down and doesn't wait, as
// [net/http.Server.RegisterOnShutdown] wants it. From then on requests for a
// WebSocket are answered with 503, for ever, and every open connection gets the
// frame of Options.ShutdownFrame, in random order, spread over
// Options.DrainWindow. Call [Guard.Shutdown] to wait.
func (g *Guard) StartDrain() { g.startDrain() }

func (g *Guard) startDrain() *drain {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.drain != nil {
		return g.drain
	}
	d := &drain{round: newRound(g), hurry: make(chan struct{})}
	d.until = d.began + g.opts.DrainWindow
	g.drain = d
	close(g.drained)
	links := slices.Collect(maps.Keys(g.links))
	rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	go d.run(links)
	return d
}

// Shutdown closes all connections and waits. From its start on, requests for a
// WebSocket are answered with 503 and Retry-After, for ever; one whose answer
// is on its way already is closed right after it has opened. Every connection
// gets the frame of Options.ShutdownFrame, in random order, spread over
// Options.DrainWindow; connections that are [Conn.Busy] get it when they turn
// idle. Shutdown waits until all have ended, adapters' handlers have returned
// and the observers know.
//
// If ctx has a deadline, the window ends, and busy connections are closed, early
// enough for the last Close to be answered. When ctx ends, what is left is
// aborted, and the error is an *[AbortedError].
//
// Call [net/http.Server.Shutdown] beside it, which neither closes nor waits for
// WebSockets; [ShutdownServer] does both.
func (g *Guard) Shutdown(ctx context.Context) (Report, error) {
	d := g.startDrain()
	if at, ok := ctx.Deadline(); ok {
		d.finishBy(g.now() + time.Until(at))
	}
	gone := g.gone()
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for {
		select {
		case <-gone:
			return d.soFar(), nil
		case <-progress.C:
			g.progress(d)
			continue
		case <-ctx.Done():
		}
		select {
		case <-gone:
			return d.soFar(), nil
		default:
			d.joinAll()
			err := d.abort(context.Cause(ctx), gone)
			return d.soFar(), err
		}
	}
}

// ShutdownServer shuts both down at the same time: srv takes no connection any
// more and finishes its requests, and the guard closes the WebSockets. It is
// what to do on SIGTERM. Errors of both are joined.
func ShutdownServer(ctx context.Context, srv *http.Server, g *Guard) (Report, error) {
	switch {
	case srv == nil:
		return Report{}, errors.New("closeguard: ShutdownServer: the server is nil")
	case g == nil:
		return Report{}, errors.New("closeguard: ShutdownServer: the guard is nil")
	}
	g.StartDrain() // before the listener closes: who comes now is told to come back
	served := make(chan error, 1)
	go func() { served <- srv.Shutdown(ctx) }()
	report, err := g.Shutdown(ctx)
	return report, errors.Join(err, <-served)
}

// Close aborts all connections and waits for the observers. Requests for a
// WebSocket are refused from then on. It always returns nil.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.aborting = true
	g.mu.Unlock()
	d := g.startDrain()
	d.joinAll()
	gone := g.gone()
	d.abort(nil, gone) //nolint:errcheck // aborting is what was asked for
	<-gone
	return nil
}

// gone is closed when there is no connection, no upgrade under way and no
// event on its way to an observer.
func (g *Guard) gone() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quiet == nil {
		g.quiet = make(chan struct{})
	}
	quiet := g.quiet
	g.settle()
	return quiet
}

// run sends the Close frames: idle connections first, at even intervals up to
// the end of the window, then busy ones when they must.
func (d *drain) run(links []*link) {
	d.joinAll()
	var busy []*link
	next := d.began
	for i, l := range links {
		next = d.pace(next, len(links)-i)
		if !l.drainIn(d.round, false) {
			busy = append(busy, l)
		}
	}
	if len(busy) > 0 && d.awaitForce() {
		for _, l := range busy {
			l.drainIn(d.round, true)
		}
	}
}

// pace waits until the next of n connections is due, given when the last one
// was, and returns when that is. It looks at the window anew, so that a shorter
// one takes effect at once.
func (d *drain) pace(last instant, n int) instant {
	for {
		d.mu.Lock()
		next, hurry := last+max(0, d.until-last)/instant(n), d.hurry
		d.mu.Unlock()
		wait := next - d.guard.now()
		if wait <= 0 {
			return next
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			return next
		case <-hurry:
			t.Stop()
		}
	}
}

// awaitForce waits until busy connections must be closed; false: until all are gone.
func (d *drain) awaitForce() bool {
	gone := d.guard.gone()
	for {
		d.mu.Lock()
		force, hurry := d.force, d.hurry
		d.mu.Unlock()
		var at <-chan time.Time
		if force != 0 {
			t := time.NewTimer(force - d.guard.now())
			defer t.Stop()
			at = t.C
		}
		select {
		case <-gone:
			return false
		case <-at:
			return true
		case <-hurry:
		}
	}
}

// finishBy fits the window to a deadline: the last Close leaves early enough to
// be answered, in half of the time that is left if that is short.
func (d *drain) finishBy(deadline instant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.guard.now()
	last := deadline - min(d.guard.opts.CloseIdle, (deadline-now)/2)
	if d.force == 0 || last < d.force {
		d.force = last
	}
	d.until = min(d.until, last)
	close(d.hurry)
	d.hurry = make(chan struct{})
}

// joinAll makes every connection that is left one of the drain's.
func (d *drain) joinAll() {
	for _, l := range d.guard.all() {
		l.mu.Lock()
		d.join(l)
		l.mu.Unlock()
	}
}

// drainIn closes the connection for a shutdown. A busy one is left for when it
// turns idle, unless forced; false says so.
func (l *link) drainIn(r *round, forced bool) bool {
	l.mu.Lock()
	info, busy := l.info, l.busy && !forced
	l.waited = l.waited || busy
	l.mu.Unlock()
	if !busy {
		l.closeIn(r, l.guard.shutdownFrame(info), ErrShutdown)
	}
	return !busy
}

// shutLate closes a connection that opened during a shutdown.
func (g *Guard) shutLate(l *link) {
	g.mu.Lock()
	d := g.drain
	g.mu.Unlock()
	l.drainIn(d.round, true)
}

// Busy marks the connection as in the middle of something that a shutdown
// should let it finish. It is idle until then and again after [Conn.Idle].
func (c *Conn) Busy() { c.link.setBusy(true) }

// Idle takes Busy back. If a shutdown has begun, the connection is closed now.
func (c *Conn) Idle() { c.link.setBusy(false) }

// Busy is [Conn.Busy].
func (h *Handle) Busy() {
	if h != nil {
		h.link.setBusy(true)
	}
}

// Idle is [Conn.Idle].
func (h *Handle) Idle() {
	if h != nil {
		h.link.setBusy(false)
	}
}

func (l *link) setBusy(busy bool) {
	l.mu.Lock()
	l.busy = busy
	due := !busy && l.waited
	l.mu.Unlock()
	if due {
		l.guard.shutLate(l)
	}
}
