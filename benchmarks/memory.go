package main

import (
	"fmt"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// maxHeap is what a guarded idle connection may take above a bare one, in bytes.
var maxHeap = map[string]float64{"gorilla": 384, "coder": 512}

// memory measures idle connections, each time in a fresh server.
func (b *bench) memory() (report.Section, error) {
	n, pairs := b.scale(10_000, 500), b.scale(6, 1)
	s := report.Section{
		Title: fmt.Sprintf("Memory of %s idle connections", thousands(float64(n))),
		Note:  "Bytes per connection in the server's process, after two garbage collections: live heap objects, goroutine stacks, and what the kernel counts as resident. The clients are in another process. " + intervals(pairs),
	}
	for _, library := range libraries {
		progress("memory: %s", library)
		var results pair.Results[server.Usage]
		err := results.Measure(pairs, func(s pair.Subject) (server.Usage, error) { return idle(library, pathOf(s), n) })
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
			c := pair.Differ(results, q.of)
			row := report.Row{
				Case: library, Measure: q.measure, Bare: thousands(c.Bare) + " B", Guarded: thousands(c.Guarded) + " B",
				Ratio: difference(c.Ratio), Control: difference(c.Control),
			}
			if q.measure == "heap" {
				most := bar.AtMostBytes(maxHeap[library])
				row.Bar, row.Gist = most.String(), "heap of an idle connection, "+library
				row.Verdict, row.Off = most.Judge(c)
			}
			s.Rows = append(s.Rows, row)
		}
	}
	return s, nil
}

// difference shows one in bytes.
func difference(i pair.Interval) string {
	return fmt.Sprintf("%+.0f B [%+.0f %+.0f]", i.Mid, i.Low, i.High)
}

// idle opens n connections and tells what each takes.
func idle(library, path string, n int) (u server.Usage, err error) {
	sides, err := startSides(false)
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
