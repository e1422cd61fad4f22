package closeguard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

// SampleOptions say how much a [Sample] passes on. The zero value is all defaults; a
// negative number is an error.
type SampleOptions struct {
	// First is how many of each kind, cause and code are passed on in an interval, as
	// they are. Default 0: 10.
	First int

	// Interval is after which time the observer behind is told of the others. It begins
	// with the first event behind the last one. Default 0: 10 s.
	Interval time.Duration

	// ErrorLog takes panics of the observer behind while it is told sums; others go to
	// Options.ErrorLog. Default nil: slog.Default.
	ErrorLog *slog.Logger
}

// Sample returns an observer that stands before another one, as a rule a logger, for when
// thousands of connections end at once. It passes the first close events of each kind,
// cause and code on, and sums the rest: at the interval's end the observer behind gets
// one [More] for each sort, and no sum if nothing was held back. Requests that were
// refused are sampled alike, by status and whether it was the guard that refused them.
// [Opened], which is a debug line, and [Progress] pass. What is passed is passed in
// Observe, so each connection's events stay in order. Metrics that shall see every event
// belong beside it, in Options.Observers, and not behind it.
//
// What is passed and what is summed is together what came. Sums that are held back when
// the program ends are handed on by [Guard.Shutdown] and [Guard.Close], and else by the
// method Flush of what Sample returns, see [Observer]; not by a Shutdown that a handler or
// an observer calls, which doesn't wait for observers. While sums are told, at most one
// interval more waits: if the observer behind blocks, what comes goes into the next sums.
//
// Each sum costs some 100 bytes until it is told. Codes and statuses that have no name
// are kept apart as long as an interval has no more than 100 sums, then they are one for
// each kind and cause, so that peers who make up codes fill neither memory nor log.
func Sample(next Observer, opts SampleOptions) (Observer, error) {
	switch {
	case next == nil:
		return nil, errors.New("closeguard: Sample: the Observer is nil")
	case opts.First < 0:
		return nil, badField("SampleOptions.First", opts.First, "must not be negative")
	case opts.Interval < 0:
		return nil, badField("SampleOptions.Interval", opts.Interval, "must not be negative")
	}
	opts.First = cmp.Or(opts.First, 10)
	opts.Interval = cmp.Or(opts.Interval, 10*time.Second)
	return &sampler{next: next, opts: opts, turn: make(chan struct{}, 1)}, nil
}

// refused is the kind of a Refused.
const refused = "refused"

// maxSorts is how many sums an interval has before what has no name is put together.
const maxSorts = 100

// sort is what events have in common that count together.
type sort struct {
	kind   string
	cause  cause.Cause
	code   Code
	status int
}

// sampler is what Sample returns. It needs a timer only while there is something to be
// told, and a goroutine only while it tells that.
type sampler struct {
	next Observer
	opts SampleOptions
	turn chan struct{} // full while somebody tells sums

	mu  sync.Mutex
	now *interval // nil before the first event and when its sums are taken
}

// interval is what came in some time. Once it is taken out of the sampler it is whose
// who took it.
type interval struct {
	began time.Time
	seen  map[sort]*seen
	order []*seen     // in which the sorts came first
	due   *time.Timer // tells the sums; nil: there are none
}

// seen is what came of one sort.
type seen struct {
	sort
	passed, summed uint64
	level          slog.Level // the highest of what is summed
}

// Observe passes an event on, or sums it.
func (s *sampler) Observe(ctx context.Context, ev Event) {
	if s.passes(ev) {
		s.next.Observe(ctx, ev)
	}
}

// Flush tells the observer behind what is summed, and waits for sums that are being told.
// It gives up waiting for these when ctx ends.
func (s *sampler) Flush(ctx context.Context) {
	s.tell(ctx, nil)
	flushObserver(ctx, s.next)
}

// passes counts an event and reports whether it is to be passed on.
func (s *sampler) passes(ev Event) bool {
	what, sampled := sortOf(ev)
	if !sampled {
		return true
	}
	fault := level(ev) // asks errors of the program's, and so not under mu
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.now == nil || s.now.due == nil && now.Sub(s.now.began) >= s.opts.Interval {
		s.now = &interval{began: now, seen: make(map[sort]*seen)}
	}
	i := s.now
	n := i.of(what)
	if n.passed < uint64(s.opts.First) {
		n.passed++
		return true
	}
	if n.summed++; n.summed == 1 || fault > n.level {
		n.level = fault
	}
	if i.due == nil {
		i.due = time.AfterFunc(i.began.Add(s.opts.Interval).Sub(now), func() { s.tell(context.Background(), i) })
	}
	return false
}

// sortOf is the sort of an event; false if all of its kind pass.
func sortOf(ev Event) (sort, bool) {
	switch e := ev.(type) {
	case CloseEvent:
		return sort{kind: e.Kind(), cause: e.Cause(), code: e.Code()}, true
	case *Refused:
		by := sort{kind: refused, status: e.Status}
		if errors.Is(e.Err, ErrShutdown) {
			by.cause = cause.Shutdown
		}
		return by, true
	default:
		return sort{}, false
	}
}

// of is what came of a sort, or of all together that are like it but for a code or
// status without a name.
func (i *interval) of(what sort) *seen {
	n := i.seen[what]
	if n == nil && len(i.seen) >= maxSorts {
		if what.code.Name() == "" {
			what.code = 0
		}
		if http.StatusText(what.status) == "" {
			what.status = 0
		}
		n = i.seen[what]
	}
	if n == nil {
		n = &seen{sort: what}
		i.seen[what] = n
		i.order = append(i.order, n)
	}
	return n
}

// tell ends an interval and tells the observer behind what it has summed; nil: the one
// that goes on. One that somebody else has ended is told.
func (s *sampler) tell(ctx context.Context, which *interval) {
	select {
	case s.turn <- struct{}{}:
	default:
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
	defer func() { <-s.turn }()
	s.mu.Lock()
	i := s.now
	if i == nil || i.due == nil || which != nil && i != which {
		s.mu.Unlock()
		return
	}
	s.now = nil
	s.mu.Unlock()
	i.due.Stop()
	s.tellFrom(0, i, time.Since(i.began))
}

// tellFrom tells the sums from the k-th on. One at which the observer behind panics, or
// ends its goroutine, keeps none of the others from being told.
func (s *sampler) tellFrom(k int, i *interval, over time.Duration) {
	if k == len(i.order) {
		return
	}
	defer s.tellFrom(k+1, i, over)
	n := i.order[k]
	if n.summed == 0 {
		return
	}
	ctx := context.Background()
	defer func() {
		if v := recover(); v != nil {
			logPanicTo(orDefault(s.opts.ErrorLog), ctx, "Observer", v, debug.Stack())
		}
	}()
	s.next.Observe(ctx, &More{n.kind, n.cause, n.code, n.status, n.summed, over, n.level})
}
