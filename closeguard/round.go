package closeguard

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// round is a number of connections that are closed together, until the
// observers know of each one's end.
type round struct {
	guard *Guard
	began instant

	mu     sync.Mutex
	report Report
	open   map[*link]struct{}
	seal   bool          // no connection joins any more
	done   chan struct{} // closed when it is sealed and nothing is open
}

func newRound(g *Guard) *round {
	return &round{guard: g, began: g.now(), open: make(map[*link]struct{}), done: make(chan struct{})}
}

// join makes a connection one of the round's, unless its end is reported
// already; the caller has the link's mu.
func (r *round) join(l *link) {
	if l.phase != phaseOpen || l.reported || slices.Contains(l.rounds, r) {
		return
	}
	c := l.needClosing()
	c.rounds = append(c.rounds, r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[l] = struct{}{}
}

// count enters a connection's end in the report.
func (r *round) count(ev CloseEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.count(ev)
}

// left takes note that the observers know of a connection's end.
func (r *round) left(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, l)
	r.finish()
}

// sealed says that all connections have joined.
func (r *round) sealed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seal = true
	r.finish()
}

func (r *round) finish() {
	if r.seal && len(r.open) == 0 {
		select {
		case <-r.done:
		default:
			close(r.done)
		}
	}
}

// remaining are the connections that have not ended.
func (r *round) remaining() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.open))
}

// wait returns when all connections have ended, or aborts those that haven't
// when ctx ends.
func (r *round) wait(ctx context.Context) (Report, error) {
	var err error
	select {
	case <-r.done:
	default:
		select {
		case <-r.done:
		case <-ctx.Done():
			err = r.abort(context.Cause(ctx), r.done)
		}
	}
	return r.soFar(), err
}

// abort ends what is left. The observers get a moment: what they write is what
// is known of the end.
func (r *round) abort(why error, done <-chan struct{}) error {
	aborted, handlers := 0, 0
	for _, l := range r.remaining() {
		cut, serving := l.cutOff()
		if cut {
			aborted++
		}
		if serving {
			handlers++
		}
	}
	r.mu.Lock()
	r.report.Handlers = handlers
	r.mu.Unlock()
	t := time.NewTimer(lastWait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	if aborted == 0 {
		return nil
	}
	return &AbortedError{Connections: aborted, Err: why}
}

func (r *round) soFar() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := r.report
	report.Slowest = slices.Clone(report.Slowest)
	report.Duration = r.guard.now() - r.began
	return report
}

// request begins a Close of the guard's on an open connection; the caller has
// mu, and settles.
func (l *link) request(f CloseFrame, cause error) {
	if l.ending || l.phase != phaseOpen || !l.hs.open() || l.pending() != nil {
		return
	}
	l.needClosing().cause = join(l.cause, cause)
	l.begin(l.hs.own(f))
}

// closeIn closes the connection as one of a round's.
func (l *link) closeIn(r *round, f CloseFrame, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.join(l)
	l.request(f, cause)
	l.flushNow()
	l.settle()
}

// cutOff ends the connection when the time of its round is over, and reports
// it even if its handler is still running. It says whether it was still open,
// and whether the handler was running.
func (l *link) cutOff() (cut, serving bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	serving = l.serving
	l.serving = false
	switch {
	case l.over.Load():
		l.report()
	case !l.ending:
		cut = true
		l.mu.Unlock()
		l.abort(join(ErrAborted, ErrShutdown))
		l.mu.Lock()
	}
	return cut, serving
}
