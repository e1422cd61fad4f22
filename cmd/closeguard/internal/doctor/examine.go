package doctor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

// answers is how much a connection may send by itself, in Pongs and in its answer to a
// Close: 4 KiB, and 1 KiB for each second that it is to last.
func (p *Probe) answers() int { return 4<<10 + int(p.Lasts/time.Second)<<10 }

// ErrTimeout is the cause of a probe's end that takes too long.
var ErrTimeout = errors.New("time ran out")

// An Examination runs probes at an endpoint.
type Examination struct {
	Endpoint *client.Endpoint
	Probes   []*Probe
	Timeout  time.Duration // of each probe, from the moment at which it connects

	// Done, if not nil, is told each result as it comes, one at a time.
	Done func(Result)

	pace pace
}

// Run gives each probe a connection of its own, at most 10 a second, and returns the
// results in the order of the probes. It is over when the slowest probe is: at the latest
// the timeout, and 100 ms for each probe, after it began.
func (e *Examination) Run(ctx context.Context) []Result {
	results := make([]Result, len(e.Probes))
	var running sync.WaitGroup
	var telling sync.Mutex
	for i, p := range e.Probes {
		started := e.pace.wait(ctx) == nil
		running.Go(func() {
			r := p.result("not begun", CantTell, 0)
			r.Unexamined = true
			if started {
				r = p.run(ctx, e.Endpoint, e.Timeout)
			}
			telling.Lock()
			defer telling.Unlock()
			results[i] = r
			if e.Done != nil {
				e.Done(r)
			}
		})
	}
	running.Wait()
	return results
}

func (p *Probe) run(ctx context.Context, endpoint *client.Endpoint, timeout time.Duration) Result {
	limit := timeout
	if p.Lasts > 0 {
		limit = p.Lasts
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, ErrTimeout)
	defer cancel()
	began := time.Now()
	c, err := endpoint.Dial(ctx, client.Budget{Probe: p.Sends, Answers: p.answers()})
	if err != nil {
		r := p.result(err.Error(), CantTell, time.Since(began))
		r.Unexamined = true
		return r
	}
	defer c.Shut()
	if !p.Late {
		c.Listen(p.Courtesy)
	}
	o := outcome{limit: limit}
	o.err = p.Do(ctx, c)
	if p.Late {
		c.Listen(p.Courtesy)
	}
	c.AwaitEnd(ctx)
	o.Seen = c.Seen()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ErrTimeout) && o.End == client.Open {
		r := p.result("interrupted", CantTell, time.Since(began))
		r.Unexamined = true
		return r
	}
	if over := new(client.BudgetError); errors.As(o.err, &over) {
		return p.result("a fault of the doctor's: "+over.Error(), CantTell, time.Since(began))
	}
	return p.result(describe(o), p.Judge(o), time.Since(began))
}

// Opens does nothing but an opening handshake. Its error says why there is nothing to examine.
func (e *Examination) Opens(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, e.Timeout, ErrTimeout)
	defer cancel()
	err := e.pace.wait(ctx)
	if err != nil {
		return err
	}
	c, err := e.Endpoint.Dial(ctx, client.Budget{})
	if err != nil {
		return errors.New(printable(err.Error()))
	}
	c.Shut()
	return nil
}
