package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/crowd"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// few is the crowd that others are compared with.
const few = 100

// growth measures what one connection costs while many are open.
func (b *bench) growth() (report.Section, error) {
	s := report.Section{
		Title: "Cost as it grows",
		Note: "In memory (closetest.Pipe): the guard's cost per connection with many others open, in the column guarded, beside the cost with 100, in the column bare; the control is 100 beside 100. " +
			"Over TCP: bare and guarded, whole lives beside others of their kind; and a shutdown beside a hand-written loop that writes a Close to each connection and waits. " + intervals(b.pairs) + " Over TCP: " + intervals(b.pairsOverTCP()),
	}
	crowds := []int{few, 1000, 18_000}
	if b.quick {
		crowds = []int{few, 500}
	}
	for _, n := range crowds[1:] {
		progress("growth: in memory, %d", n)
		rows, err := b.inMemory(n)
		if err != nil {
			return s, err
		}
		s.Rows = append(s.Rows, rows...)
	}
	for _, library := range libraries {
		for _, n := range crowds {
			progress("growth: %s, %d", library, n)
			rows, err := b.overTCP(library, n)
			if err != nil {
				return s, err
			}
			s.Rows = append(s.Rows, rows...)
		}
	}
	return s, nil
}

// crowdOf is how many are open: many where a guarded server would be measured.
func crowdOf(s pair.Subject, n int) int {
	if s == pair.Guarded {
		return n
	}
	return few
}

func (b *bench) inMemory(n int) ([]report.Row, error) {
	var crowds [3]*crowd.Crowd
	for _, s := range []pair.Subject{pair.Bare, pair.Guarded, pair.Control} {
		c, err := crowd.New(crowdOf(s, n))
		if err != nil {
			return nil, err
		}
		defer c.Close()
		crowds[s] = c
	}
	var short pair.Results[crowd.Times]
	err := short.Measure(b.pairs, func(s pair.Subject) (crowd.Times, error) {
		runtime.GC() // not while it is measured
		return crowds[s].Few(b.scale(1000, 100))
	})
	if err != nil {
		return nil, err
	}
	var rows []report.Row
	for _, q := range []struct {
		name string
		of   func(crowd.Times) float64
	}{
		{"opening", func(t crowd.Times) float64 { return float64(t.Open) }},
		{"closing", func(t crowd.Times) float64 { return float64(t.Close) }},
		{"kicking by key", func(t crowd.Times) float64 { return float64(t.Kick) }},
	} {
		rows = append(rows, row(beside(q.name, n), "per connection", duration, pair.Compare(short, q.of), bar.AtMost(1.10)))
	}
	var shutdowns pair.Results[time.Duration]
	err = shutdowns.Measure(b.pairs, func(s pair.Subject) (time.Duration, error) { return shutdownInMemory(crowdOf(s, n)) })
	if err != nil {
		return nil, err
	}
	return append(rows, row(beside("shutdown", n), "per connection", duration, pair.Compare(shutdowns, nanoseconds), bar.AtMost(1.15))), nil
}

// shutdownInMemory tells how long a shutdown of n takes per connection. It ends a
// crowd, so each time it is a new one; of small ones there are several, since a single
// one is over in less than a millisecond.
func shutdownInMemory(n int) (time.Duration, error) {
	crowds := max(1, 10*few/n)
	var all time.Duration
	for range crowds {
		c, err := crowd.New(n)
		if err != nil {
			return 0, err
		}
		runtime.GC()
		took, err := c.Shutdown()
		c.Close()
		if err != nil {
			return 0, err
		}
		all += took
	}
	return all / time.Duration(crowds), nil
}

func beside(what string, n int) string {
	return fmt.Sprintf("in memory, %s beside %s", what, thousands(float64(n)))
}

func nanoseconds(d time.Duration) float64 { return float64(d) }

// pairsOverTCP are few: each opens all connections anew.
func (b *bench) pairsOverTCP() int { return b.scale(6, 1) }

func (b *bench) overTCP(library string, n int) ([]report.Row, error) {
	fewer := *b
	fewer.pairs = b.pairsOverTCP()
	lives, err := fewer.lives(server.Config{Library: library}, n)
	if err != nil {
		return nil, err
	}
	// They are told, not judged: the kernel's port search is in them.
	rows := lifeRows(fmt.Sprintf("%s, beside %s", library, thousands(float64(n))), lives)
	var shutdowns pair.Results[time.Duration]
	err = shutdowns.Measure(b.pairsOverTCP(), func(s pair.Subject) (time.Duration, error) { return shutdown(library, s, n) })
	if err != nil {
		return nil, err
	}
	r := row(fmt.Sprintf("%s, shutdown of %s", library, thousands(float64(n))), "in all", duration, pair.Compare(shutdowns, nanoseconds), bar.AtMost(1.10))
	if n > 10_000 {
		r.Gist = fmt.Sprintf("shutdown of %s connections beside a loop by hand, %s", thousands(float64(n)), library)
	}
	return append(rows, r), nil
}

// shutdown ends n connections whose clients answer.
func shutdown(library string, s pair.Subject, n int) (took time.Duration, err error) {
	sides, err := startSides(false)
	if err != nil {
		return 0, err
	}
	defer sides.close()
	url, err := sides.start(server.Config{Library: library})
	if err != nil {
		return 0, err
	}
	path := server.Listed
	if s == pair.Guarded {
		path = server.Adapter
	}
	var id int
	if err := sides.load.Call("Open", load.Group{URL: url + path, Conns: n}, &id); err != nil {
		return 0, err
	}
	answered := make(chan error, 1)
	go func() { answered <- sides.load.Call("Answer", id, &child.None{}) }()
	time.Sleep(200 * time.Millisecond) // all are reading
	if err := sides.server.Call("Shutdown", s == pair.Guarded, &took); err != nil {
		return 0, err
	}
	return took, <-answered
}
