package hostile

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/leftovers"
	"github.com/closeguard/ws/integration_test/record"
)

var (
	seed        = flag.Uint64("seed", 0, "of the peers, handlers and options; 0: a new one")
	howLong     = flag.Duration("for", 40*time.Second, "for how long peers come; 0: until all have come")
	connections = flag.Int("connections", 1<<30, "how many peers come at most")
	only        = flag.Int("only", -1, "the number of a connection that comes again and again, in place of all others")
)

// patience is how long anything may take that has to happen.
const patience = 20 * time.Second

// lanes is how many crowds there are at the same time.
const lanes = 2

// Whatever peers and handlers do: there is exactly one Opened and one close
// event for each 101 that left, and none without; the event is as the wire was;
// Shutdown reports as many connections as were open; and nothing is left.
func TestHostile(t *testing.T) {
	record.Stalls.Watch()
	seed := *seed
	for seed == 0 {
		seed = rand.Uint64()
	}
	began := time.Now()
	until := began.Add(*howLong)
	if *howLong == 0 {
		until = began.Add(24 * time.Hour)
	}

	newTally(t, seed).crowd(0, warmUp, until) // what is made once and kept is made here
	leftovers.Settle(t, patience, len(leftovers.Working()), leftovers.Descriptors(t))
	goroutines, open := len(leftovers.Working()), leftovers.Descriptors(t)

	tally := newTally(t, seed)
	var running sync.WaitGroup
	for lane := range lanes {
		running.Go(func() {
			for n := lane; n*crowdSize < *connections && time.Now().Before(until); n += lanes {
				tally.crowd(n, min(crowdSize, *connections-n*crowdSize), until)
			}
		})
	}
	running.Wait()
	leftovers.Settle(t, patience, goroutines, open)
	tally.print(time.Since(began))
}
