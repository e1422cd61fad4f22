package main

import (
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// bench is how much to measure.
type bench struct {
	quick bool // to see that everything works; its numbers say little
	pairs int
	slice time.Duration // of one measurement of echoes, without its warm-up
	match *regexp.Regexp
}

// part is one part of the measurements.
type part struct {
	name string
	run  func(*bench) (report.Section, error)
}

var libraries = []string{"gorilla", "coder"}

// scale is full, or less in a quick run.
func (b *bench) scale(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// progress tells what is being done; the table alone goes to standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// pathOf is where a subject is served; guarded is by the library's adapter,
// which does everything that plain code under the middleware has done to it.
func pathOf(s pair.Subject) string {
	if s == pair.Guarded {
		return server.Adapter
	}
	return server.Bare
}

// sides is a server and its clients, each in a process of its own.
type sides struct{ server, load *child.Process }

// startSides starts both, on all cores or both on one.
func startSides(oneCore bool) (*sides, error) {
	s, err := child.Start("server", oneCore)
	if err != nil {
		return nil, err
	}
	l, err := child.Start("load", oneCore)
	if err != nil {
		s.Close()
		return nil, err
	}
	return &sides{s, l}, nil
}

func (s *sides) close() {
	s.load.Close()
	s.server.Close()
}

// start serves on a fresh port and returns the URL, without a path.
func (s *sides) start(c server.Config) (url string, err error) {
	err = s.server.Call("Start", c, &url)
	return url, err
}

func (s *sides) cpu() (time.Duration, error) {
	var u server.Usage
	err := s.server.Call("Usage", child.None{}, &u)
	return u.CPU, err
}

// row shows a comparison by ratios; show shows what was compared, if there is one such
// value. It has at most one bar.
func row(title, measure string, show func(float64) string, c pair.Comparison, bars ...bar.Bar) report.Row {
	r := report.Row{Case: title, Measure: measure, Ratio: ratio(c.Ratio), Control: ratio(c.Control)}
	if show != nil {
		r.Bare, r.Guarded = show(c.Bare), show(c.Guarded)
	}
	for _, aim := range bars {
		r.Bar = aim.String()
		r.Verdict, r.Off = aim.Judge(c)
	}
	return r
}

func ratio(i pair.Interval) string { return fmt.Sprintf("%.3f [%.3f %.3f]", i.Mid, i.Low, i.High) }

// intervals says how those of so many pairs were made.
func intervals(pairs int) string {
	k, level := pair.Rank(pairs)
	return fmt.Sprintf("Brackets are from number %d of %d pairs, sorted, to number %d: a probability of %.1f %%.", k, pairs, pairs+1-k, 100*level)
}

// explain tells what was seen where something else was wanted, if asked to.
func explain(format string, args ...any) {
	if verbose {
		progress(format, args...)
	}
}

var verbose bool
