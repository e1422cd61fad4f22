package closeguard

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Report says how connections ended that were closed together. Each is counted
// in exactly one of the first six fields.
type Report struct {
	Answered   int // both Close frames crossed, ours first
	PeerFirst  int // the peer's Close came first
	Unanswered int // our Close left and nothing came back
	Unsent     int // our Close could not be sent
	Dropped    int // TCP ended by itself
	Aborted    int // cut off when the context ended, or by Abort

	Handlers int           // adapters' handler functions still running
	Slowest  []Slow        // the ten that took longest, longest first
	Duration time.Duration // of it all
}

// Slow is a connection that took long to end.
type Slow struct {
	ConnInfo
	Took time.Duration // from when its Close was due to the end of TCP
}

// slowest is how many of them a report names.
const slowest = 10

// Total returns how many connections there were.
func (r Report) Total() int {
	return r.Answered + r.PeerFirst + r.Unanswered + r.Unsent + r.Dropped + r.Aborted
}

// String returns the report on one line.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d connections in %s: %d answered, %d peer first, %d unanswered, %d unsent, %d dropped, %d aborted",
		r.Total(), span(r.Duration), r.Answered, r.PeerFirst, r.Unanswered, r.Unsent, r.Dropped, r.Aborted)
	if r.Handlers > 0 {
		fmt.Fprintf(&b, ", %d handlers still running", r.Handlers)
	}
	if len(r.Slowest) > 0 {
		fmt.Fprintf(&b, ", slowest %s (%s)", span(r.Slowest[0].Took), r.Slowest[0].Remote)
	}
	return b.String()
}

// LogValue is the report as a group.
func (r Report) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Int("connections", r.Total()),
		slog.Int("answered", r.Answered),
		slog.Int("peer_first", r.PeerFirst),
		slog.Int("unanswered", r.Unanswered),
		slog.Int("unsent", r.Unsent),
		slog.Int("dropped", r.Dropped),
		slog.Int("aborted", r.Aborted),
		slog.Int("handlers", r.Handlers),
		slog.Int64("duration_ms", r.Duration.Milliseconds()),
	}
	if len(r.Slowest) > 0 {
		attrs = append(attrs, slog.Int64("slowest_ms", r.Slowest[0].Took.Milliseconds()))
	}
	return slog.GroupValue(attrs...)
}

// count enters an ending that took so long.
func (r *Report) count(ev CloseEvent, took time.Duration) {
	e := ev.end()
	switch {
	case e.aborted && errors.Is(e.Err, ErrAborted):
		r.Aborted++
	case e.aborted && e.Intended != nil && e.Sent == nil:
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
	r.slow(e.ConnInfo, took)
}

// slow keeps a connection if it is among the slowest.
func (r *Report) slow(info ConnInfo, took time.Duration) {
	if len(r.Slowest) == slowest && took <= r.Slowest[slowest-1].Took {
		return
	}
	at, _ := slices.BinarySearchFunc(r.Slowest, took, func(s Slow, took time.Duration) int {
		if s.Took > took {
			return -1
		}
		return 1
	})
	r.Slowest = slices.Insert(r.Slowest, at, Slow{info.clone(), took})
	r.Slowest = r.Slowest[:min(len(r.Slowest), slowest)]
}

// AbortedError says that a context ended before all connections had. The [Report]
// beside it has how many were aborted, and how many handlers still run.
type AbortedError struct {
	aborted, handlers int
	err               error // of the context
}

// Error names how many connections were aborted, and how many handlers still run.
func (e *AbortedError) Error() string {
	running := ""
	if e.handlers > 0 {
		running = fmt.Sprintf(", %d handlers still running", e.handlers)
	}
	return fmt.Sprintf("closeguard: aborted %d connections%s: %v", e.aborted, running, e.err)
}

// Unwrap returns the context's error.
func (e *AbortedError) Unwrap() error { return e.err }
