package closeguard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// drain is the end of a guard: all connections are closed, spread over a window.
type drain struct {
	*round

	mu    sync.Mutex
	until instant       // when the last Close shall leave
	force instant       // when busy connections are closed too, 0: never
	hurry chan struct{} // closed and made anew when one of the two is brought forward

	// However many wait, the observers are told once a second how far it is.
	teller *time.Ticker // of the Shutdown that does so
	told   instant      // when it last did
}

// all are the connections that are open or not yet reported.
func (g *Guard) all() []*link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.links)
}

// Draining is closed when the guard begins to shut down: a handler that sees it can
// finish what it does, call [Handle.Idle], or close by itself.
func (g *Guard) Draining() <-chan struct{} { return g.drained }

// StartDrain begins what [Guard.Shutdown] does and doesn't wait, as
// [net/http.Server.RegisterOnShutdown] wants it. Call Shutdown to wait.
func (g *Guard) StartDrain() { g.startDrain() }

func (g *Guard) startDrain() *drain {
	g.mu.Lock()
	if g.drain != nil {
		defer g.mu.Unlock()
		return g.drain
	}
	d := &drain{round: newRound(g, cause.Shutdown, false), hurry: make(chan struct{})}
	d.until = d.began + g.opts.DrainWindow
	g.drain = d
	links := slices.Clone(g.links)
	g.mu.Unlock()
	d.joinAll(links) // before anybody learns of it and ends one
	close(g.drained)
	rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	go d.run(links)
	return d
}

// Shutdown closes all connections and waits. From its start on, requests for a
// WebSocket are answered with 503 and Retry-After, for ever; one whose answer
// is on its way already is closed right after it has opened. Every connection
// gets the frame of Options.ShutdownFrame, in random order, spread over
// Options.DrainWindow; connections that are [Handle.Busy] get it when they turn
// idle. Shutdown waits until all have ended, adapters' handlers have returned
// and the observers know, and flushes these (see [Observer]); called by a handler or an
// observer, it waits until all have ended.
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
	within := isWithin(ctx)
	gone := g.gone(within)
	progress := time.NewTicker(time.Second)
	defer progress.Stop()
	for {
		select {
		case <-gone:
			return d.soFar(), g.flush(ctx, within)
		case <-progress.C:
			if d.tells(progress) {
				g.progress(d)
			}
			continue
		case <-ctx.Done():
		}
		select {
		case <-gone:
			return d.soFar(), g.flush(ctx, within)
		default:
			d.tellsNoMore(progress)
			d.joinAll(g.all())
			err := d.abort(context.Cause(ctx), gone)
			return d.soFar(), cmp.Or(err, g.flush(ctx, within))
		}
	}
}

// ShutdownServer shuts servers and their guard down: it is what to do on SIGTERM.
// First all servers stop listening, so that no client that is told to come back
// comes back to this process. Then the guard closes the WebSockets, as
// [Guard.Shutdown] says, while the servers finish their requests. Errors of all are
// joined; with no server it is Guard.Shutdown.
//
// ListenAndServe of each server returns [http.ErrServerClosed] at the beginning: a
// main function that ended then would cut everybody off, so it waits for
// ShutdownServer.
func ShutdownServer(ctx context.Context, g *Guard, servers ...*http.Server) (Report, error) {
	if g == nil {
		return Report{}, errors.New("closeguard: ShutdownServer: the guard is nil")
	}
	if i := slices.Index(servers, nil); i >= 0 {
		return Report{}, fmt.Errorf("closeguard: ShutdownServer: servers[%d] is nil", i)
	}
	errs := make([]error, 1+len(servers))
	var listening, serving sync.WaitGroup
	for i, srv := range servers {
		listening.Add(1)
		stopped := sync.OnceFunc(listening.Done)
		srv.RegisterOnShutdown(stopped) // called once its listeners are closed
		serving.Go(func() {
			defer stopped()
			if err := srv.Shutdown(ctx); err != nil {
				errs[1+i] = fmt.Errorf("closeguard: ShutdownServer: servers[%d]: %w", i, err)
			}
		})
	}
	silent := make(chan struct{})
	go func() {
		listening.Wait()
		close(silent)
	}()
	closedWithin(silent, closing.LastWait) // a listener that can't be closed holds up no WebSocket
	report, err := g.Shutdown(ctx)
	serving.Wait()
	errs[0] = err
	return report, errors.Join(errs...)
}

// Close aborts all connections and waits for the observers, and for no handler.
// Requests for a WebSocket are refused from then on. It always returns nil.
func (g *Guard) Close() error {
	g.mu.Lock()
	g.aborting = true
	g.mu.Unlock()
	d := g.startDrain()
	d.joinAll(g.all())
	within := isWithin(context.Background())
	gone := g.gone(within)
	for _, l := range d.remaining() {
		d.fail(l)
		d.reportNow(l)
	}
	<-gone
	return g.flush(context.Background(), within) // which never ends
}

// gone is closed when there is no connection, no upgrade under way and no
// event on its way to an observer; or, within a handler or an observer, when no
// connection is open.
func (g *Guard) gone(within bool) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := &g.quiet
	if within {
		w = &g.allEnded
	}
	if *w == nil {
		*w = make(chan struct{})
	}
	quiet := *w
	g.wakeIfIdle()
	return quiet
}

// run sends the Close frames: idle connections first, at even intervals up to
// the end of the window, then busy ones when they must. It ends early if
// nothing is left.
func (d *drain) run(links []*link) {
	gone, send := d.guard.gone(false), d.guard.sender()
	var busy []*link
	over := false
	defer func() {
		if !over { // a transport has ended this goroutine
			go d.run(slices.Concat(links, busy))
		}
	}()
	next := d.began
	for len(links) > 0 {
		var ok bool
		if next, ok = d.pace(next, len(links), gone); !ok {
			over = true
			return
		}
		l := links[0]
		links = links[1:]
		if d.waitsFor(l) {
			busy = append(busy, l)
		} else {
			send(func() bool { return d.close(l) })
		}
	}
	if len(busy) > 0 && d.awaitForce(gone) {
		for _, l := range busy {
			send(func() bool { return d.close(l) })
		}
	}
	over = true
}

// sender returns a function that sends Closes in the caller, and leaves them to
// the writers once one took a moment: neither a peer that doesn't read nor the
// program's own ShutdownFrame must hold up the others.
func (g *Guard) sender() func(send func() (left bool)) {
	left := true
	return func(send func() bool) {
		if left {
			began := g.now()
			left = send() && g.now()-began < patience
		} else {
			g.writers.Do(func() { send() })
		}
	}
}

// pace waits until the next of n connections is due, given when the last one
// was, and returns when that is; false if none is left. It looks at the window
// anew, so that a shorter one takes effect at once.
func (d *drain) pace(last instant, n int, gone <-chan struct{}) (due instant, ok bool) {
	for {
		d.mu.Lock()
		next, hurry := last+max(0, d.until-last)/instant(n), d.hurry
		d.mu.Unlock()
		wait := next - d.guard.now()
		if wait <= 0 {
			return next, true
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
			return next, true
		case <-gone:
			t.Stop()
			return 0, false
		case <-hurry:
			t.Stop()
		}
	}
}

// awaitForce waits until busy connections must be closed; false: until all are gone.
func (d *drain) awaitForce(gone <-chan struct{}) bool {
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

// tells reports whether the one with this ticker is to tell the observers now.
func (d *drain) tells(who *time.Ticker) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.guard.now()
	if d.teller == nil && (d.told == 0 || now >= d.told+time.Second) {
		d.teller = who
	}
	if d.teller == who {
		d.told = now
	}
	return d.teller == who
}

// tellsNoMore leaves the telling to another one.
func (d *drain) tellsNoMore(who *time.Ticker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.teller == who {
		d.teller = nil
	}
}

// waitsFor reports whether the connection is busy, so that the shutdown leaves it
// for when it turns idle.
func (d *drain) waitsFor(l *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errand.await()
}

// joinLate closes a connection that opened during the shutdown; the caller has
// the link's mu.
func (d *drain) joinLate(l *link) {
	d.join(l)
	d.guard.callers.Do(func() {
		defer func() { // also if the transport ends this goroutine
			if d.guard.closes() {
				d.fail(l)
				d.reportNow(l)
			}
		}()
		d.close(l)
	})
}

// closes reports whether Close was called, which waits for nobody.
func (g *Guard) closes() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.aborting
}

// close closes one of the connections with the frame that the program wants, unless
// Close was called, which aborts them all.
func (d *drain) close(l *link) (left bool) {
	if d.guard.closes() {
		return true
	}
	l.mu.Lock()
	info := l.info()
	l.mu.Unlock()
	return d.round.close(l, d.guard.shutdownFrame(info))
}

// shutdown is the one that has begun, nil if none has.
func (g *Guard) shutdown() *drain {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drain
}
