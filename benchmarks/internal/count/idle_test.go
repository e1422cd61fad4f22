//go:build !race

// The race detector adds allocations and memory of its own.

package count_test

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/server"
	"github.com/closeguard/ws/benchmarks/internal/wsraw"
	"github.com/closeguard/ws/closeguard"
)

// held is what an idle connection takes, both ends of it in this process.
type held struct {
	allocs       float64 // to open it
	heap, stacks float64 // bytes, while it is open
}

// What an open connection may take above a bare one. Stacks double: one byte
// too many on the way costs as much as all of bare's. Now and then the runtime
// goes deeper than it mostly does.
var mostAbove = map[string]map[string]held{
	"gorilla": {server.Plain: {7, 352, 512}, server.Adapter: {8, 384, 512}},
	"coder":   {server.Plain: {8, 832, 512}, server.Adapter: {10, 896, 512}}, // of a thousand up to 90 more than of 10,000 in make bench
}

// The guard against regressions of what opening and holding a connection costs.
func TestAnIdleConnectionIsCheap(t *testing.T) {
	// The runtime gives new goroutines as much stack as others used before: those
	// that need least come first.
	for _, spoken := range []bool{false, true} {
		for _, library := range []string{"gorilla", "coder"} {
			cheap(t, library, mostAbove[library], spoken)
		}
	}
}

func cheap(t *testing.T, library string, ways map[string]held, spoken bool) {
	idle(t, library, server.Bare, spoken) // the runtime keeps what goroutines are made of
	bare := idle(t, library, server.Bare, spoken)
	for path, most := range ways {
		t.Run(fmt.Sprint(library, path, ", spoken ", spoken), func(t *testing.T) {
			var above held
			for range 3 { // what the runtime does meanwhile adds to it, and not each time
				got := idle(t, library, path, spoken)
				above = held{math.Round(got.allocs - bare.allocs), got.heap - bare.heap, got.stacks - bare.stacks}
				t.Logf("%+.1f above %+.1f", above, bare)
				if above.allocs <= most.allocs && above.heap <= most.heap && above.stacks <= most.stacks {
					return
				}
			}
			t.Errorf("%+.1f above bare, want at most %+v", above, most)
		})
	}
}

// idle opens connections, each of which has one message echoed if it is spoken,
// and says what each takes.
func idle(t *testing.T, library, path string, spoken bool) held {
	t.Helper()
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conns, first := 1000, 20 // the first ones make what is made once
	if !spoken {
		conns = 5000 // so that stacks which the runtime keeps are used up
	}
	goroutines := runtime.NumGoroutine()
	mux := http.NewServeMux() // as most servers have one
	mux.Handle(path, server.Echoes(library, guard, false)[path])
	s := httptest.NewServer(mux)
	all := make([]*wsraw.Conn, 0, first+conns)
	defer func() {
		for _, c := range all {
			c.Close()
		}
		s.Close()
		for runtime.NumGoroutine() > goroutines {
			runtime.Gosched() // the handlers' stacks are not to be taken for the next ones'
		}
	}()
	message, answer := wsraw.Message(64, false), make([]byte, 66)
	open := func(n int) (m runtime.MemStats) {
		for range n {
			c, err := wsraw.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, false)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			if !spoken {
				continue
			}
			if _, err := c.Write(message); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, answer); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // pools are given up in two rounds
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m
	}
	before := open(first)
	after := open(conns)
	each := func(before, after uint64) float64 { return (float64(after) - float64(before)) / float64(conns) }
	return held{each(before.Mallocs, after.Mallocs), each(before.HeapAlloc, after.HeapAlloc), each(before.StackInuse, after.StackInuse)}
}
