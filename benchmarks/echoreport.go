package main

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/count"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// echoSection tells what was measured of echoes.
func (b *bench) echoSection(cases []*echoCase) (report.Section, error) {
	s := report.Section{
		Title: "Echo",
		Note: "p99 is of the time from a message's Write to its echo. CPU is the server's. The last line of a case is exact: allocations per message, and system calls, reading + writing; " +
			"of messages over 64 KiB it is not told. A geometric mean is made like a case: the means of all cases' first pairs, of their second, and so on, are its pairs. " + intervals(b.pairs),
	}
	var means means
	for _, c := range cases {
		rate := pair.Compare(c.results, func(e echoed) float64 { return e.Rate() })
		p99 := pair.Compare(c.results, func(e echoed) float64 { return float64(e.P99) })
		cpu := pair.Compare(c.results, echoed.cpuPerMessage)
		means.add(c, rate, p99, cpu)
		s.Rows = append(s.Rows,
			row(c.String(), "messages per second", thousands, rate, c.bar()),
			row(c.String(), "p99", duration, p99),
			row(c.String(), "CPU per message", duration, cpu))
		if c.size <= count.MaxCalls {
			counts, err := c.counts()
			if err != nil {
				return s, err
			}
			s.Rows = append(s.Rows, counts)
		}
	}
	if b.match.String() != "" {
		s.Rows = append(s.Rows, means.rowsOfSome()...)
	} else {
		s.Rows = append(s.Rows, means.rows()...)
	}
	return s, nil
}

// counts are the exact costs of a message, bare and guarded.
func (c *echoCase) counts() (row report.Row, err error) {
	var n [2]count.Counts
	var shown [2]string
	for i, path := range []string{server.Bare, server.Adapter} {
		n[i], err = count.Echo(count.Cell{Library: c.config.Library, Path: path, TLS: c.config.TLS, Compress: c.config.Compress, Size: c.size})
		if err != nil {
			return row, err
		}
		shown[i] = fmt.Sprintf("%d · %d+%d", n[i].Allocs, n[i].Reads, n[i].Writes)
	}
	row = report.Row{
		Case: c.String(), Measure: "allocations · system calls", Bare: shown[0], Guarded: shown[1], Bar: "≤ bare",
	}
	allocs, calls := n[1].Allocs-n[0].Allocs, n[1].Reads+n[1].Writes-n[0].Reads-n[0].Writes
	row.Verdict = bar.Exact(allocs <= 0 && calls <= 0)
	var off []string
	if allocs > 0 {
		off = append(off, fmt.Sprintf("allocations %+d", allocs))
	}
	if calls > 0 {
		off = append(off, fmt.Sprintf("system calls %+d", calls))
	}
	row.Off = strings.Join(off, ", ")
	return row, nil
}

// means collects what geometric means are made of.
type means struct {
	rate, p99, cpu []pair.Comparison
	classes        []string // in order
	bars           map[string]bar.Bar
	rates          map[string][]pair.Comparison // by class
}

func (m *means) add(c *echoCase, rate, p99, cpu pair.Comparison) {
	m.rate, m.p99, m.cpu = append(m.rate, rate), append(m.p99, p99), append(m.cpu, cpu)
	class := c.config.Library + ", " + c.class()
	if m.rates == nil {
		m.bars, m.rates = make(map[string]bar.Bar), make(map[string][]pair.Comparison)
	}
	if m.rates[class] == nil {
		m.classes = append(m.classes, class)
	}
	m.bars[class], m.rates[class] = c.bar(), append(m.rates[class], rate)
}

// rowsOfSome have no bar: what was aimed at is about all.
func (m *means) rowsOfSome() []report.Row {
	if len(m.rate) < 2 {
		return nil
	}
	const title = "geometric mean of these"
	return []report.Row{
		row(title, "messages per second", nil, pair.GeometricMean(m.rate)),
		row(title, "p99", nil, pair.GeometricMean(m.p99)),
		row(title, "CPU per message", nil, pair.GeometricMean(m.cpu)),
		selfCheck(m.rate),
	}
}

func (m *means) rows() []report.Row {
	var rows []report.Row
	mean := func(title, measure, gist string, cells []pair.Comparison, bar bar.Bar) {
		r := row(title, measure+", geometric mean", nil, pair.GeometricMean(cells), bar)
		r.Gist = gist
		rows = append(rows, r)
	}
	for _, class := range m.classes {
		mean(class, "messages per second", "echoes per second, "+class, m.rates[class], m.bars[class])
	}
	mean("all", "messages per second", "echoes per second, all cases", m.rate, bar.AtLeast(1))
	mean("all", "p99", "p99 of an echo's time, all cases", m.p99, bar.AtMost(1.03))
	mean("all", "CPU per message", "CPU time per echo, all cases", m.cpu, bar.AtMost(1))
	return append(rows, selfCheck(m.rate))
}

// selfCheck tells how good the intervals are: those of the control should contain 1,
// but for as many as their level lets out.
func selfCheck(cells []pair.Comparison) report.Row {
	out := 0
	for _, c := range cells {
		if !c.Control.Contains(1) {
			out++
		}
	}
	expected := float64(len(cells)) * (1 - cells[0].Control.Level)
	return report.Row{
		Case: "all", Measure: fmt.Sprintf("intervals of the control without 1, where about %.1f are due", expected),
		Control: fmt.Sprintf("%d of %d", out, len(cells)),
	}
}
