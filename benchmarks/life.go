package main

import (
	"fmt"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// lived is one measurement of whole lives.
type lived struct{ rate, cpu float64 } // connections per second; ns of the server per connection

// life measures connections from dial to close.
func (b *bench) life() (report.Section, error) {
	s := report.Section{
		Title: "Whole life",
		Note: "Dial, one echo, a Close of the client's and its answer, the end of TCP; 16 connections at a time, and fresh processes for each measurement. CPU is the server's. " +
			intervals(b.pairs),
	}
	for _, library := range libraries {
		for _, secure := range []bool{false, true} {
			config := server.Config{Library: library, TLS: secure}
			progress("life: %s", name(config))
			results, err := b.lives(config, 0)
			if err != nil {
				return s, err
			}
			rows := lifeRows(name(config), results, bar.AtLeast(0.97), bar.AtMost(1.05))
			rows[0].Gist = "connections per second from dial to close, " + name(config)
			s.Rows = append(s.Rows, rows...)
		}
	}
	return s, nil
}

// lifeRows judges by the bars, of the rate and of CPU time, if there are.
func lifeRows(name string, results pair.Results[lived], bars ...bar.Bar) []report.Row {
	rate := pair.Compare(results, func(l lived) float64 { return l.rate })
	cpu := pair.Compare(results, func(l lived) float64 { return l.cpu })
	return []report.Row{
		row(name, "connections per second", thousands, rate, bars[:min(1, len(bars))]...),
		row(name, "CPU per connection", duration, cpu, bars[min(1, len(bars)):]...),
	}
}

// lives measures whole lives while others, of the same kind, are open.
func (b *bench) lives(c server.Config, others int) (results pair.Results[lived], err error) {
	err = results.Measure(b.pairs, func(s pair.Subject) (lived, error) {
		return b.lifeBeside(c, pathOf(s), others)
	})
	return results, err
}

// lifeBeside uses fresh processes and a fresh port: the ends of earlier
// connections would be in the way.
func (b *bench) lifeBeside(c server.Config, path string, others int) (l lived, err error) {
	sides, err := startSides(false)
	if err != nil {
		return l, err
	}
	defer sides.close()
	url, err := sides.start(c)
	if err != nil {
		return l, err
	}
	if others > 0 {
		var id int
		if err := sides.load.Call("Open", load.Group{URL: url + path, Conns: others}, &id); err != nil {
			return l, err
		}
	}
	n := b.scale(1000, 100)
	if !c.TLS {
		n *= 2 // they are shorter
	}
	var took time.Duration
	if err := sides.load.Call("Life", load.Life{URL: url + path, Conns: n / 5}, &took); err != nil { // to warm up
		return l, err
	}
	if err := sides.server.Call("Settle", child.None{}, &child.None{}); err != nil {
		return l, err
	}
	before, err := sides.cpu()
	if err != nil {
		return l, err
	}
	if err := sides.load.Call("Life", load.Life{URL: url + path, Conns: n}, &took); err != nil {
		return l, fmt.Errorf("%s %s: %w", c.Library, path, err)
	}
	after, err := sides.cpu()
	return lived{float64(n) / took.Seconds(), float64(after-before) / float64(n)}, err
}
