// Package debug is a live page about a guard's connections: which are open and how
// long each has been silent, how others ended and why, and how far a shutdown is. It is
// mounted like net/http/pprof:
//
//	page, err := debug.New(debug.Options{})
//	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{page}})
//	mux.Handle("/debug/websockets/", page.Handler(guard))
//
// It shows what log lines tell, addresses and attributes of users included: mount it
// behind the program's authentication, or on a listener that only operators reach.
//
// Every view is a table that works without JavaScript, and JSON beside it. With
// JavaScript it is kept up to date. Nothing comes from elsewhere, and nothing can be
// changed from it, unless Options.Kick lets somebody.
package debug

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Options are what a [Page] is made with. The zero value is all defaults.
type Options struct {
	// Events is how many events are kept of each of three kinds: openings, refusals and
	// endings. An older one makes way. One is 0.5 to 1 KiB as a rule, and at most 20 KiB if
	// everything in it is as long as is kept. Default 0: 1000.
	Events int

	// Kick reports whether the request, a POST of the page's forms, may close connections.
	// Requests that other sites make are refused before it is asked. It may be called by
	// several requests at the same time. Default nil: nobody may, and there are no forms.
	Kick func(*http.Request) bool
}

// Page keeps what the page shows of the past: it is a [closeguard.Observer], to be put
// into Options.Observers of one guard. All methods may be called at the same time.
type Page struct {
	opts Options

	mu      sync.Mutex // is never held for longer than it takes to copy some kilobytes
	last    uint64     // how many events there were
	rings   [kinds]ring
	endings endings
	drain   drainSeen

	viewers viewers
}

// New returns a page. An error names the option that it refuses, the value and why.
func New(opts Options) (*Page, error) {
	if opts.Events < 0 {
		return nil, fmt.Errorf("debug: Options.Events is %d: must not be negative", opts.Events)
	}
	if opts.Events == 0 {
		opts.Events = 1000
	}
	p := &Page{opts: opts}
	p.endings.begin()
	return p, nil
}

// Observe keeps the event. It waits for no viewer.
func (p *Page) Observe(_ context.Context, ev closeguard.Event) {
	now := time.Now()
	switch ev := ev.(type) {
	case *closeguard.Progress:
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drain = drainSeen{at: now, open: ev.Open, report: ev.Report}
		p.drain.report.Slowest = nil // they may hold what the program keeps for users
		return
	case *closeguard.More:
		return // the page belongs beside a Sample: it keeps a bounded number by itself
	}
	r := recordOf(ev, now)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	r.Seq = p.last
	p.rings[r.kind].add(r, p.opts.Events)
	if end, ok := ev.(closeguard.CloseEvent); ok {
		p.endings.count(end, now)
	}
}

// Handler serves the page of the guard that the page observes. It is to be mounted at
// a path that ends with a slash, and goes by what follows the last slash only. It
// answers GET and HEAD, and POST where Options.Kick is set.
//
// Streams of updates end when the [net/http.Server] that serves them shuts down:
// after the guard's connections have ended, but two seconds after the last of them did
// at the latest.
func (p *Page) Handler(guard *closeguard.Guard) http.Handler {
	if guard == nil {
		panic("debug: Handler: the guard is nil")
	}
	return &site{page: p, guard: guard}
}
