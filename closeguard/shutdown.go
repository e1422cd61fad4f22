package closeguard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Report says how the connections ended that were open when a shutdown began
// or opened during it. Each is counted in exactly one of the fields.
type Report struct {
	Answered   int // both Close frames crossed, ours first
	PeerFirst  int // the peer's Close came first
	Unanswered int // our Close left and nothing came back
	Unsent     int // our Close could not be sent
	Dropped    int // TCP ended by itself
	Aborted    int // cut off when the context ended, or by Abort

	Duration time.Duration // of the shutdown
}

// Total returns how many connections there were.
func (r Report) Total() int {
	return r.Answered + r.PeerFirst + r.Unanswered + r.Unsent + r.Dropped + r.Aborted
}

// String returns the report on one line.
func (r Report) String() string {
	return fmt.Sprintf("%d connections in %s: %d answered, %d peer first, %d unanswered, %d unsent, %d dropped, %d aborted",
		r.Total(), span(r.Duration), r.Answered, r.PeerFirst, r.Unanswered, r.Unsent, r.Dropped, r.Aborted)
}

func (r *Report) count(ev CloseEvent) {
	e := ev.End()
	switch {
	case e.aborted && errors.Is(e.Err, ErrAborted):
		r.Aborted++
	case e.Intended != nil && e.Sent == nil && e.aborted:
		r.Unsent++
	default:
		switch ev.(type) {
		case *PeerClosed:
			r.PeerFirst++
		case *LocalClosed:
			if e.Answered() {
				r.Answered++
			} else {
				r.Unanswered++
			}
		default:
			r.Dropped++
		}
	}
}

// AbortedError says that a shutdown's context ended before all connections had.
type AbortedError struct {
	Connections int   // how many were aborted
	Err         error // of the context
}

// Error names how many connections were aborted.
func (e *AbortedError) Error() string {
	return fmt.Sprintf("closeguard: shutdown aborted %d connections: %v", e.Connections, e.Err)
}

// Unwrap returns the context's error.
func (e *AbortedError) Unwrap() error { return e.Err }

// Shutdown closes all connections and waits. From its start on, requests for a
// WebSocket are answered with 503, for ever; one whose answer is on its way
// already is closed right after it has opened. Every connection gets the frame
// of Options.ShutdownFrame, and Shutdown waits until all have ended, adapters'
// handlers have returned and the observers know. When ctx ends first, what is
// left is aborted, and the error is an [*AbortedError].
//
// Call [net/http.Server.Shutdown] beside it: that one neither closes nor waits
// for WebSockets.
func (g *Guard) Shutdown(ctx context.Context) (Report, error) {
	began := time.Now()
	g.mu.Lock()
	g.draining = true
	report := g.report
	if report == nil {
		report = new(Report)
		g.report = report
	}
	links := slices.Collect(maps.Keys(g.links))
	g.mu.Unlock()
	for _, l := range links {
		l.shut()
	}
	err := g.wait(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	r := *report
	r.Duration = time.Since(began)
	return r, err
}

// Close aborts all connections and waits for the observers. Requests for a
// WebSocket are refused from then on. It always returns nil.
func (g *Guard) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	g.mu.Lock()
	g.draining, g.aborting = true, true
	g.mu.Unlock()
	g.wait(ctx) //nolint:errcheck // aborting is what was asked for
	<-g.gone()
	return nil
}

// wait returns when nothing is left, or aborts what is left when ctx ends.
func (g *Guard) wait(ctx context.Context) error {
	gone := g.gone()
	select {
	case <-gone:
		return nil
	default:
	}
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	links := slices.Collect(maps.Keys(g.links))
	g.mu.Unlock()
	aborted := 0
	for _, l := range links {
		if l.cutOff() {
			aborted++
		}
	}
	// The observers get a moment: what they write is what is known of the end.
	t := time.NewTimer(lastWait)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
	}
	if aborted == 0 {
		return nil
	}
	return &AbortedError{Connections: aborted, Err: context.Cause(ctx)}
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

// shut closes the connection for a shutdown.
func (l *link) shut() {
	l.mu.Lock()
	info := l.info
	l.mu.Unlock()
	f := l.guard.shutdownFrame(info)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending || l.phase != phaseOpen {
		return
	}
	if l.hs.open() && l.pending() == nil {
		l.needClosing().cause = join(l.cause, ErrShutdown)
		l.begin(l.hs.own(f))
		l.needClosing().shutdown = true
	}
	l.settle()
}

// cutOff aborts the connection at the end of a shutdown's time, reports it
// even if its handler is still running, and says whether it was still open.
func (l *link) cutOff() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving = false
	if l.over.Load() {
		l.report()
		return false
	}
	if l.ending {
		return false
	}
	l.mu.Unlock()
	l.abort(join(ErrAborted, ErrShutdown))
	l.mu.Lock()
	return true
}
