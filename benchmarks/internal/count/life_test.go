//go:build !race

// The race detector adds allocations of its own.

package count_test

import (
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

// What a connection may allocate above a bare one from dial to close, with the
// client's Close first.
var mostOfALife = map[string]map[string]float64{
	"gorilla": {server.Plain: 13, server.Adapter: 17},
	"coder":   {server.Plain: 14, server.Adapter: 19},
}

func TestAWholeLifeAllocatesLittle(t *testing.T) {
	for library, ways := range mostOfALife {
		bare := allocatedByALife(t, library, server.Bare)
		for path, most := range ways {
			t.Run(library+path, func(t *testing.T) {
				above := math.Round(allocatedByALife(t, library, path) - bare)
				t.Logf("%.0f above %.0f", above, bare)
				if above > most {
					t.Errorf("%.0f above bare, want at most %.0f", above, most)
				}
			})
		}
	}
}

func allocatedByALife(t *testing.T, library, path string) float64 {
	t.Helper()
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, server.Echoes(library, guard, false)[path])
	s := httptest.NewServer(mux)
	defer s.Close()
	leaving := []byte{0x88, 0x82, 0, 0, 0, 0, 1000 >> 8, 1000 & 0xff} // a Close 1000, masked with 0
	live := func(n int) (m runtime.MemStats) {
		for range n {
			c, err := wsraw.Dial("ws"+strings.TrimPrefix(s.URL, "http")+path, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(leaving); err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, c) // until the server ends it
			c.Close()
		}
		runtime.ReadMemStats(&m)
		return m
	}
	const lives = 1000
	before := live(100) // what is made once
	after := live(lives)
	return float64(after.Mallocs-before.Mallocs) / lives
}
