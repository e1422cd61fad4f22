// Package report holds what was measured and shows it: as a table, as a page
// of Markdown and as a chart.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Verdict says whether a bar was met.
type Verdict string

// The verdicts.
const (
	None Verdict = "" // no bar
	Pass Verdict = "pass"
	Miss Verdict = "MISS"
)

// Judge is Pass if ok, else Miss.
func Judge(ok bool) Verdict {
	if ok {
		return Pass
	}
	return Miss
}

// Row is a line of the table. What doesn't apply is empty.
type Row struct {
	Case, Measure  string
	Bare, Guarded  string
	Ratio, Control string
	Bar            string
	Verdict        Verdict
}

// Section is a part of the table.
type Section struct {
	Name, Title string
	Note        string // how to read it
	Machine     string // where, when and with what it was measured
	Rows        []Row
	Bars        []Bar `json:",omitempty"`
}

// Kind is what a bar of the chart is about.
type Kind string

// The kinds.
const (
	Guarded   Kind = "guarded"
	Bare      Kind = "bare"
	Yardstick Kind = "another library's server"
)

// Bar is a line of the chart: the share of runs in which a code arrived.
type Bar struct {
	Scenario, Server string
	Kind             Kind
	Right, Runs      int
}

// Report is all sections, in order.
type Report struct{ Sections []Section }

// Set puts a section in, in the place of an older one of that name. The order
// is that of the names.
func (r *Report) Set(s Section, order []string) {
	r.Sections = slices.DeleteFunc(r.Sections, func(o Section) bool { return o.Name == s.Name })
	r.Sections = append(r.Sections, s)
	slices.SortFunc(r.Sections, func(a, b Section) int {
		return slices.Index(order, a.Name) - slices.Index(order, b.Name)
	})
}

// Load reads what an earlier run has stored; nothing if there is no such file.
func Load(file string) (*Report, error) {
	r := new(Report)
	b, err := os.ReadFile(file) // it is the caller's
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(b, r)
}

// Store writes the report for a later Load.
func (r *Report) Store(file string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644) // it is for everybody
}

// Summary counts the verdicts.
func (r *Report) Summary() string {
	count := map[Verdict]int{}
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			count[row.Verdict]++
		}
	}
	return fmt.Sprintf("%d bars met, %d missed", count[Pass], count[Miss])
}

var header = [...]string{"case", "measure", "bare", "guarded", "ratio", "control", "bar", "met"}

func (r Row) cells() [len(header)]string {
	return [...]string{r.Case, r.Measure, r.Bare, r.Guarded, r.Ratio, r.Control, r.Bar, string(r.Verdict)}
}

// Text is the table for a terminal.
func (r *Report) Text() string {
	width := [len(header)]int{}
	measure := func(cells [len(header)]string) {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	measure(header)
	for _, s := range r.Sections {
		for _, row := range s.Rows {
			measure(row.cells())
		}
	}
	var b strings.Builder
	line := func(cells [len(header)]string) {
		var l strings.Builder
		for i, c := range cells {
			l.WriteString(c + strings.Repeat(" ", width[i]-len([]rune(c))+2))
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	line(header)
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, row := range s.Rows {
			line(row.cells())
		}
	}
	fmt.Fprintf(&b, "\n%s\n", r.Summary())
	return b.String()
}

// Markdown is the page for people.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\nWritten by `make bench`. *Bare* is a library as it is, *guarded* the same below closeguard. Both alternate in one run; ratios are medians of pairs, guarded to bare;\n" +
		"*control* is bare to bare, measured the same way: median and, in brackets, its middle half.\n\n" +
		"A *bar* is what was aimed at before anything was measured: most are as good as bare. One that was missed stays here as MISS. " + r.Summary() + ".\n")
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s\n\n", s.Title, s.Note, s.Machine)
		row := func(cells [len(header)]string) { b.WriteString("| " + strings.Join(cells[:], " | ") + " |\n") }
		row(header)
		b.WriteString(strings.Repeat("| --- ", len(header)) + "|\n")
		for _, r := range s.Rows {
			row(r.cells())
		}
	}
	return b.String()
}
