package faults

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/leftovers"
)

// Thousands of connections open, send and close at random while the network
// breaks, through toxiproxy and inside a namespace at the same time. There is
// one event for each, which is as the record says, and nothing is left.
func TestCrowd(t *testing.T) {
	seed := *seed
	for seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to have the same peers again: go test -run TestCrowd -seed %d", seed)
	gather := func(d time.Duration) func(t *testing.T) {
		return func(t *testing.T) {
			for _, c := range []struct {
				name string
				open func(*testing.T) *crowd
			}{{"toxiproxy", throughProxies}, {"namespace", insideNamespace}} {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					crowd := c.open(t)
					crowd.come(seed, time.Now().Add(d))
					crowd.judge()
					crowd.forget()
				})
			}
		}
	}
	t.Run("first", gather(2*time.Second)) // what is made once and kept is made here
	leftovers.Settle(t, patience, len(leftovers.Working()), leftovers.Descriptors(t))
	before, goroutines, open := live(), len(leftovers.Working()), leftovers.Descriptors(t)
	t.Run(howLong.String(), gather(*howLong))
	leftovers.Settle(t, patience, goroutines, open)
	const most = 2 << 20 // one connection in a few would be more
	more := live() - before
	t.Logf("%.0f KiB more than before", more/1024)
	if more > most {
		t.Errorf("%.0f bytes are left, want at most %d", more, most)
	}
}

// live is how much is on the heap after all collections, but for what toxiproxy
// has forgotten there, goroutines of its links that nobody takes anything from,
// and what the runtime keeps to make goroutines of.
func live() (bytes float64) {
	for range 3 {
		runtime.GC()
	}
	records := make([]runtime.MemProfileRecord, 100)
	for {
		n, ok := runtime.MemProfile(records, false)
		if records = records[:min(n, len(records))]; ok {
			break
		}
		records = make([]runtime.MemProfileRecord, n+100)
	}
	for _, r := range records {
		if !passes(r.Stack(), "Shopify/toxiproxy") && !passes(r.Stack(), "runtime.malg") {
			size, rate := float64(r.InUseBytes())/float64(max(1, r.InUseObjects())), float64(runtime.MemProfileRate)
			bytes += float64(r.InUseBytes()) / (1 - math.Exp(-size/rate)) // it is a sample
		}
	}
	return bytes
}

func passes(stack []uintptr, through string) bool {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if strings.Contains(f.Function, through) {
			return true
		}
		if !more {
			return false
		}
	}
}
