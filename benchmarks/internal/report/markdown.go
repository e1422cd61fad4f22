package report

import (
	"fmt"
	"strings"
)

const introduction = `# Benchmarks

Written by ` + "`make bench`" + `. *Bare* is a library as it is, *guarded* the same below closeguard. A ratio is guarded to bare: 1 is the same. In brackets stands the interval in which the truth lies
with a probability of at least 95 %.

## What you gain and pay

`

const judging = `
A *bar* is what was aimed at before anything was measured: most are as good as bare. It is *met* if the whole interval is on its right side, *missed* if the whole interval is on the wrong one, and else *open*. *Off by*
is how far the median is from the bar, and how much of that is sure. Bare and guarded take turns, and each turn gives one ratio: what is told is the median. *Control* is bare to bare, measured the same way.
[benchmarks/README.md](../benchmarks/README.md) says how numbers are made.

`

// Markdown is the page for people: what users want to know, then what was missed,
// then everything.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString(introduction)
	gist := [][]string{{"what", "bare", "guarded", "guarded to bare"}}
	for _, row := range r.rows(func(r Row) bool { return r.Gist != "" }) {
		gist = append(gist, []string{row.Gist, row.Bare, row.Guarded, row.Ratio})
	}
	markdown(&b, gist)
	fmt.Fprintf(&b, "\n## Bars\n\n%s\n", r.Summary())
	b.WriteString(judging)
	if misses := r.misses(); len(misses) > 1 {
		markdown(&b, misses)
	}
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s\n\n", s.Title, s.Note, s.Machine)
		table := [][]string{header}
		for _, row := range s.Rows {
			table = append(table, row.cells())
		}
		markdown(&b, table)
	}
	return b.String()
}

func markdown(b *strings.Builder, table [][]string) {
	for i, line := range table {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString(strings.Repeat("| --- ", len(line)) + "|\n")
		}
	}
}
