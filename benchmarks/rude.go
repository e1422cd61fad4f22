package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/rude"
	"github.com/closeguard/ws/closeguard"
)

// rude measures the time to close towards peers that don't do their part.
func (b *bench) rude() (report.Section, error) {
	idle, most := 5*time.Second, 40*time.Second // the guard's default, and when we give up on bare
	if b.quick {
		idle, most = 500*time.Millisecond, 3*time.Second
	}
	n := b.scale(20, 3)
	s := report.Section{
		Title: "Time to close towards a rude peer",
		Note: fmt.Sprintf("From the handler's wish to close with 1008 to the end of TCP, the longest of %d; a deaf peer reads and never answers, a stalled one stopped inside a frame, "+
			"a non-reading one has let a Write block. The guard's CloseIdle is %v. Bare does what is needed for the code to arrive at all: gorilla reads until the answer, coder's Close waits for it.", n, idle),
	}
	for _, library := range libraries {
		for _, peer := range rude.Peers {
			progress("rude: %s, %s peer", library, peer)
			bare, err := rude.Close(library, peer, nil, n, most)
			if err != nil {
				return s, err
			}
			guarded, err := rude.Close(library, peer, &closeguard.Options{CloseIdle: idle}, n, most)
			if err != nil {
				return s, err
			}
			limit := idle + 50*time.Millisecond
			worst := slices.Max(guarded)
			r := report.Row{
				Case: library + ", " + peer + " peer", Measure: "longest",
				Bare: atMost(slices.Max(bare), most), Guarded: atMost(worst, most),
				Bar: fmt.Sprintf("≤ %v", limit), Verdict: bar.Exact(worst <= limit),
			}
			if r.Verdict == bar.Miss {
				r.Off = duration(float64(worst - limit))
			}
			if peer == "deaf" {
				r.Gist = "time to close towards a peer that never answers, " + library
			}
			s.Rows = append(s.Rows, r)
		}
	}
	return s, nil
}

// atMost shows a duration, or that the end was not waited for.
func atMost(d, most time.Duration) string {
	if d >= most {
		return "not within " + most.String()
	}
	return duration(float64(d))
}
