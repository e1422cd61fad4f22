package main

import (
	"fmt"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// maxHeap is what a guarded idle connection may take above a bare one, in bytes.
const maxHeap = 768

// memory measures idle connections, each time in a fresh server.
func (b *bench) memory() (report.Section, error) {
	n := b.scale(10_000, 500)
	s := report.Section{
		Title: fmt.Sprintf("Memory of %s idle connections", thousands(float64(n))),
		Note:  "Bytes per connection in the server's process, after two garbage collections: live heap objects, goroutine stacks, and what the kernel counts as resident. The clients are in another process.",
	}
	for _, library := range libraries {
		progress("memory: %s", library)
		bare, guarded, same, err := pair.Rounds(b.scale(3, 1), func(s pair.Subject) (server.Usage, error) {
			return idle(library, pathOf(s), n)
		})
		if err != nil {
			return s, err
		}
		for _, q := range []struct {
			measure string
			of      func(server.Usage) float64
		}{
			{"heap", func(u server.Usage) float64 { return float64(u.Heap) }},
			{"stacks", func(u server.Usage) float64 { return float64(u.Stacks) }},
			{"RSS", func(u server.Usage) float64 { return float64(u.RSS) }},
		} {
			c := pair.Compare(bare, guarded, same, q.of)
			row := report.Row{
				Case: library, Measure: q.measure, Bare: thousands(c.Bare) + " B", Guarded: thousands(c.Guarded) + " B",
				Ratio: fmt.Sprintf("%+.0f B", c.Guarded-c.Bare), Control: control(c),
			}
			if q.measure == "heap" {
				row.Bar, row.Verdict = fmt.Sprintf("≤ %+d B", maxHeap), report.Judge(c.Guarded-c.Bare <= maxHeap)
			}
			s.Rows = append(s.Rows, row)
		}
	}
	return s, nil
}

// idle opens n connections and tells what each takes.
func idle(library, path string, n int) (u server.Usage, err error) {
	sides, err := startSides()
	if err != nil {
		return u, err
	}
	defer sides.close()
	url, err := sides.start(server.Config{Library: library})
	if err != nil {
		return u, err
	}
	var id int
	if err := sides.load.Call("Open", load.Group{URL: url + path, Conns: 10}, &id); err != nil { // what is made once is there
		return u, err
	}
	var before, after server.Usage
	if err := sides.server.Call("Memory", child.None{}, &before); err != nil {
		return u, err
	}
	if err := sides.load.Call("Open", load.Group{URL: url + path, Conns: n}, &id); err != nil {
		return u, err
	}
	if err := sides.server.Call("Memory", child.None{}, &after); err != nil {
		return u, err
	}
	each := func(from, to uint64) uint64 { return uint64(max(0, int64(to)-int64(from))) / uint64(n) } // bytes of one process
	return server.Usage{Heap: each(before.Heap, after.Heap), Stacks: each(before.Stacks, after.Stacks), RSS: each(before.RSS, after.RSS)}, nil
}
