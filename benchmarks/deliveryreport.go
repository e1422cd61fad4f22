package main

import (
	"fmt"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/report"
)

// judge says whether all runs were right, and if not how many weren't.
func judge(right, runs int) (v bar.Verdict, off string) {
	if right < runs {
		off = fmt.Sprintf("%d of %d runs", runs-right, runs)
	}
	return bar.Exact(right == runs), off
}

// arrived sums up for each library what the chart shows.
func arrived(chart []report.Bar) []report.Row {
	var rows []report.Row
	for _, library := range libraries {
		right, runs := map[report.Kind]int{}, map[report.Kind]int{}
		for _, b := range chart {
			if b.Server == library {
				right[b.Kind] += b.Right
				runs[b.Kind] += b.Runs
			}
		}
		share := func(k report.Kind) string { return fmt.Sprintf("%.1f %%", 100*float64(right[k])/float64(runs[k])) }
		if runs[report.Bare] > 0 {
			rows = append(rows, report.Row{
				Case: "all, " + library, Measure: "adapter", Bare: share(report.Bare), Guarded: share(report.Guarded),
				Gist: "close codes that arrive, of all the ends below, " + library,
			})
		}
	}
	return rows
}
