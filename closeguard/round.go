package closeguard

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// round is a number of connections that are closed together, until the
// observers know of each one's end.
type round struct {
	guard  *Guard
	cause  cause.Cause // of the endings
	began  instant
	within bool // it is waited for by a handler or an observer: the end of TCP is enough

	mu     sync.Mutex
	report Report
	open   map[*link]bool // whether its end is in the report
	seal   bool           // no connection joins any more
	done   chan struct{}  // closed when it is sealed and nothing is open
}

func newRound(g *Guard, why cause.Cause, within bool) *round {
	return &round{guard: g, cause: why, began: g.now(), within: within, open: make(map[*link]bool), done: make(chan struct{})}
}

// isWithin reports whether the caller is a handler or an observer, which must not
// wait for its own return, nor for that of another one that may wait for it. The
// context tells, or the stack if the caller gives a context of its own.
func isWithin(ctx context.Context) bool {
	return linkFrom(ctx) != nil || onStack(512, ourFunctions+"connDriver.Serve", ourFunctions+"(*Guard).upgrade",
		ourFunctions+"(*Guard).observeFrom", ourFunctions+"(*sampler).tellFrom")
}

// join makes a connection one of the round's, unless its end is reported
// already; the caller has the link's mu. Of one that has ended nothing is left to
// be waited for within a handler or an observer.
func (r *round) join(l *link) {
	last := closing.Ended
	if r.within {
		last = closing.Ending
	}
	if l.phase != phaseOpen || l.machine().Stage() > last || l.end != nil && slices.Contains(l.end.rounds, r) {
		return
	}
	e := l.needEnding()
	e.rounds = append(e.rounds, r)
	l.on(closing.Joined{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[l] = false
}

// joinAll makes connections the round's.
func (r *round) joinAll(links []*link) {
	for _, l := range links {
		l.mu.Lock()
		r.join(l)
		l.mu.Unlock()
	}
}

// close starts the closing handshake of one of the connections. It blocks for a
// moment if the Close can't leave, and says whether it has. A panic of the
// transport's is not for whoever closes many.
func (r *round) close(l *link, f CloseFrame) (left bool) {
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	r.join(l)
	if l.phase == phaseOpen {
		l.on(closing.Ask{Frame: f.inside(), Reason: closing.Reason{Cause: r.cause}})
		l.pushYielding()
	}
	return !l.machine().Busy()
}

// fail ends one without a closing handshake when the round's time is over.
func (r *round) fail(l *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen && l.machine().Stage() < closing.Ending {
		l.on(closing.Told{Reason: closing.Reason{Cause: r.cause}})
		l.failYielding(closing.ByReset)
	}
}

// reportNow has one's end reported even if its handler is still running, and says
// whether it is.
func (r *round) reportNow(l *link) (serving bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	serving = l.app.Serving
	l.app.Serving, l.app.UnderMiddleware = false, false
	l.run()
	return serving
}

// count enters a connection's end in the report, once, and how long it took.
func (r *round) count(l *link, ev CloseEvent, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if counted, open := r.open[l]; open && !counted {
		r.open[l] = true
		r.report.count(ev, took)
	}
}

// ended takes note that TCP has ended, which is enough for one who waits within a
// handler or an observer. The caller has the link's mu.
func (r *round) ended(l *link) {
	ev := l.event(nil, false)
	r.count(l, ev, l.end.took(ev))
	if r.within {
		r.left(l)
	}
}

// left takes note that the observers know of a connection's end.
func (r *round) left(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, l)
	r.wakeIfDone()
}

// sealed says that all connections have joined.
func (r *round) sealed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seal = true
	r.wakeIfDone()
}

func (r *round) wakeIfDone() {
	if r.seal && len(r.open) == 0 {
		select {
		case <-r.done:
		default:
			close(r.done)
		}
	}
}

// remaining are the connections that the round still waits for.
func (r *round) remaining() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.open))
}

// wait returns when all connections have ended. When ctx ends first, those that
// haven't go on, unless the context's cause is ErrAborted.
func (r *round) wait(ctx context.Context) (Report, error) {
	select {
	case <-r.done:
		return r.soFar(), nil
	default:
	}
	select {
	case <-r.done:
		return r.soFar(), nil
	case <-ctx.Done():
	}
	err := context.Cause(ctx)
	if errors.Is(err, ErrAborted) {
		err = r.abort(err, r.done)
	}
	return r.soFar(), err
}

// abort ends what is left. Handlers get a moment to return, and so do the
// observers: what they write is what is known of the end.
func (r *round) abort(why error, done <-chan struct{}) error {
	for _, l := range r.remaining() {
		r.fail(l)
	}
	handlers := 0
	over := closedWithin(done, closing.LastWait)
	if !over {
		for _, l := range r.remaining() {
			if r.reportNow(l) {
				handlers++
			}
		}
		over = closedWithin(done, closing.LastWait)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Handlers += handlers
	if over && r.report.Aborted+r.report.Handlers == 0 {
		return nil
	}
	return &AbortedError{r.report.Aborted, r.report.Handlers, why}
}

// closedWithin waits until done is closed, but no longer than d, and says whether it is.
func closedWithin(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (r *round) soFar() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := r.report
	report.Slowest = slices.Clone(report.Slowest)
	report.Duration = r.guard.now() - r.began
	return report
}
