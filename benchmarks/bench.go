package main

import (
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// bench is how much to measure.
type bench struct {
	quick bool // to see that everything works; its numbers say little
	pairs int
	slice time.Duration // of one measurement of echoes
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

func startSides() (*sides, error) {
	s, err := child.Start("server")
	if err != nil {
		return nil, err
	}
	l, err := child.Start("load")
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

// ratio, control show a comparison.
func ratio(c pair.Comparison) string { return fmt.Sprintf("%.2f", c.Ratio) }

func control(c pair.Comparison) string {
	return fmt.Sprintf("%.2f [%.2f %.2f]", c.Control, c.Low, c.High)
}

// explain tells what was seen where something else was wanted, if asked to.
func explain(format string, args ...any) {
	if verbose {
		progress(format, args...)
	}
}

var verbose bool
