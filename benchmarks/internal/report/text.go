package report

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/benchmarks/internal/bar"
)

var header = []string{"case", "measure", "bare", "guarded", "ratio", "control", "bar", "verdict"}

func (r Row) cells() []string {
	return []string{r.Case, r.Measure, r.Bare, r.Guarded, r.Ratio, r.Control, r.Bar, string(r.Verdict)}
}

// rows are all that pass a test.
func (r *Report) rows(pass func(Row) bool) []Row {
	var rows []Row
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			if pass(row) {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func missed(r Row) bool { return r.Verdict == bar.Miss }

// Summary counts the verdicts.
func (r *Report) Summary() string {
	count := func(pass func(Row) bool) int { return len(r.rows(pass)) }
	met := count(func(r Row) bool { return r.Verdict == bar.Met })
	open := count(func(r Row) bool { return r.Verdict == bar.Open })
	good := count(func(r Row) bool { return r.Verdict == bar.Open && r.Off == "" })
	miss := count(missed)
	s := fmt.Sprintf("Of %d bars %d are met and %d missed.", met+open+miss, met, miss)
	if open > 0 {
		s += fmt.Sprintf(" %d are open, because the noise doesn't let decide: the medians of %d of them are on the right side, of %d on the wrong one.", open, good, open-good)
	}
	return s
}

// misses is the table of what was missed, and by how much.
func (r *Report) misses() [][]string {
	table := [][]string{{"missed", "measure", "bar", "measured", "off by"}}
	for _, row := range r.rows(missed) {
		measured := row.Ratio
		if measured == "" {
			measured = row.Guarded + ", bare " + row.Bare
		}
		table = append(table, []string{row.Case, row.Measure, row.Bar, measured, row.Off})
	}
	return table
}

const legend = "A ratio is guarded to bare, control is bare to bare. In brackets is what the truth lies in, with a probability of 95 %; of fewer than 6 pairs it is less, and nothing is decided."

// Text is what a terminal shows: all that was measured, and what of it missed its bar.
func (r *Report) Text() string {
	var b strings.Builder
	table := [][]string{header}
	for _, s := range r.Sections {
		table = append(table, nil, []string{s.Title}, []string{s.Machine})
		for _, row := range s.Rows {
			table = append(table, row.cells())
		}
	}
	align(&b, table)
	fmt.Fprintf(&b, "\n%s\n%s\n", legend, r.Summary())
	if misses := r.misses(); len(misses) > 1 {
		b.WriteString("\n")
		align(&b, misses)
	}
	return b.String()
}

// align writes a table in columns. A line of one cell goes across them.
func align(b *strings.Builder, table [][]string) {
	var width [8]int
	for _, line := range table {
		for i, cell := range line {
			if len(line) > 1 {
				width[i] = max(width[i], len([]rune(cell)))
			}
		}
	}
	for _, line := range table {
		var l strings.Builder
		for i, cell := range line {
			l.WriteString(cell + strings.Repeat(" ", max(0, width[i]-len([]rune(cell)))+2))
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
}
