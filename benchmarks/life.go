package main

import (
	"fmt"
	"time"

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
		Note:  "Dial, one echo, a Close of the client's and its answer, the end of TCP; 16 connections at a time. CPU is the server's.",
	}
	for _, library := range libraries {
		for _, secure := range []bool{false, true} {
			config := server.Config{Library: library, TLS: secure}
			progress("life: %s", name(config))
			bare, guarded, same, err := b.lives(config, 0)
			if err != nil {
				return s, err
			}
			s.Rows = append(s.Rows, lifeRows(name(config), bare, guarded, same)...)
		}
	}
	return s, nil
}

func lifeRows(name string, bare, guarded, same []lived) []report.Row {
	rate := pair.Compare(bare, guarded, same, func(l lived) float64 { return l.rate })
	cpu := pair.Compare(bare, guarded, same, func(l lived) float64 { return l.cpu })
	return []report.Row{
		{
			Case: name, Measure: "connections per second", Bare: thousands(rate.Bare), Guarded: thousands(rate.Guarded),
			Ratio: ratio(rate), Control: control(rate), Bar: "≥ 0.97", Verdict: report.Judge(rate.AtLeast(0.97)),
		},
		{
			Case: name, Measure: "CPU per connection", Bare: duration(cpu.Bare), Guarded: duration(cpu.Guarded),
			Ratio: ratio(cpu), Control: control(cpu),
		},
	}
}

// lives measures whole lives while others, of the same kind, are open.
func (b *bench) lives(c server.Config, others int) (bare, guarded, same []lived, err error) {
	return pair.Rounds(b.pairs, func(s pair.Subject) (lived, error) {
		return b.lifeBeside(c, pathOf(s), others)
	})
}

// lifeBeside uses fresh processes and a fresh port: the ends of earlier
// connections would be in the way.
func (b *bench) lifeBeside(c server.Config, path string, others int) (l lived, err error) {
	sides, err := startSides()
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
	var took time.Duration
	if err := sides.load.Call("Life", load.Life{URL: url + path, Conns: n / 5}, &took); err != nil { // to warm up
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
