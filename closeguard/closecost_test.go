//go:build unix

package closeguard_test

import (
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A Close costs the same beside 1,000 connections that are closing and beside
// 16,000, also when one of them has to go for it. In a bubble the processor's time
// is that of the Closes alone, whatever else the machine does.
func TestACloseCostsTheSameBesideMany(t *testing.T) {
	const rounds, each = 15, 100
	bubble(t, func(t *testing.T) {
		var fleets [2][]*guarded
		for i, n := range []int{1000, 16_000} {
			log := new(recorder)
			g := newGuard(t, closeguard.Options{MaxClosing: n, Observers: []closeguard.Observer{log}})
			defer g.Close()
			for range n + rounds*each {
				fleets[i] = append(fleets[i], log.open(t, g, closeguard.Server))
			}
			for _, c := range fleets[i][:n] {
				c.leave()
			}
			fleets[i] = fleets[i][n:]
		}
		synctest.Wait()
		var ratios []float64
		for range rounds {
			var took [2]time.Duration
			for i := range fleets {
				began := processorTime(t)
				for _, c := range fleets[i][:each] {
					c.leave()
				}
				synctest.Wait()
				took[i] = processorTime(t) - began
				fleets[i] = fleets[i][each:]
			}
			ratios = append(ratios, float64(took[1])/float64(took[0]))
		}
		slices.Sort(ratios)
		if median := ratios[rounds/2]; median > 1.5 {
			t.Errorf("a Close beside 16,000 costs %.2f times what it costs beside 1,000; measured: %.2f", median, ratios)
		}
	})
}

// processorTime is what the process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
