// Package report holds what was measured and shows it: as a table, as a page
// of Markdown and as a chart.
package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/closeguard/ws/benchmarks/internal/bar"
)

// Row is a line of the table. What doesn't apply is empty.
type Row struct {
	Case, Measure  string
	Bare, Guarded  string
	Ratio, Control string
	Bar            string
	Verdict        bar.Verdict
	// Off is by how much the bar is missed, or would be if the median were the truth.
	Off string `json:",omitempty"`
	// Gist is what the line says, in a user's words, if it is one of those that the
	// page begins with.
	Gist string `json:",omitempty"`
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
