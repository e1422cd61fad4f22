package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/count"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

var sizes = []int{64, 1 << 10, 4 << 10, 8 << 10, 64 << 10, 1 << 20}

// pattern is how clients send.
type pattern struct {
	name   string
	conns  int
	window int // messages under way on each connection
}

// patterns are ping-pong and pipelining; large messages are under way one by
// one on each of the many connections.
func (b *bench) patterns() []pattern {
	return []pattern{{"ping-pong", 1, 1}, {"200 pipelining", b.scale(200, 20), 16}}
}

func (p pattern) windowFor(size int) int { return max(1, min(p.window, 128<<10/size)) }

// echoed is one measurement.
type echoed struct {
	load.Echoed
	cpu time.Duration // of the server
}

func (e echoed) cpuPerMessage() float64 { return float64(e.cpu) / float64(e.Messages) }

// echo measures messages that come back.
func (b *bench) echo() (report.Section, error) {
	s := report.Section{
		Title: "Echo",
		Note: "Each line: messages per second · p50 · p99 (of the time from a message's Write to its echo) · the server's CPU time per message · allocations per message · " +
			"system calls per message, reading + writing. The counts are exact, see benchmarks/internal/count; for messages of over 64 KiB they are not told. " +
			"Bars: throughput at least 0.97 and p99 at most 1.03 of bare, or inside the control's middle half; counts equal, but for one more write of gorilla's where bare has a writev.",
	}
	sizes := sizes
	if b.quick {
		sizes = []int{64, 64 << 10}
	}
	all := new(geometric)
	for _, library := range libraries {
		for _, secure := range []bool{false, true} {
			for _, compress := range []bool{false, true} {
				c := server.Config{Library: library, TLS: secure, Compress: compress}
				for _, p := range b.patterns() {
					rows, err := b.echoRows(c, p, sizes, all)
					if err != nil {
						return s, err
					}
					s.Rows = append(s.Rows, rows...)
				}
			}
		}
	}
	s.Rows = append(s.Rows, all.rows()...)
	return s, nil
}

// geometric collects ratios of all cells.
type geometric struct{ rate, p99, cpu []float64 }

func (g *geometric) rows() []report.Row {
	rate, p99, cpu := pair.GeometricMean(g.rate), pair.GeometricMean(g.p99), pair.GeometricMean(g.cpu)
	return []report.Row{
		{Case: "all", Measure: "throughput, geometric mean", Ratio: fmt.Sprintf("%.3f", rate), Bar: "≥ 0.99", Verdict: report.Judge(rate >= 0.99)},
		{Case: "all", Measure: "p99, geometric mean", Ratio: fmt.Sprintf("%.3f", p99), Bar: "≤ 1.03", Verdict: report.Judge(p99 <= 1.03)},
		{Case: "all", Measure: "CPU per message, geometric mean", Ratio: fmt.Sprintf("%.3f", cpu)},
	}
}

func name(c server.Config) string {
	s := c.Library + ", ws"
	if c.TLS {
		s += "s"
	}
	if c.Compress {
		s += ", deflate"
	}
	return s
}

func (b *bench) echoRows(c server.Config, p pattern, sizes []int, all *geometric) ([]report.Row, error) {
	title := func(size int) string { return fmt.Sprintf("%s, %s, %s", name(c), p.name, bytes(size)) }
	sizes = slices.DeleteFunc(slices.Clone(sizes), func(size int) bool { return !b.match.MatchString(title(size)) })
	if len(sizes) == 0 {
		return nil, nil
	}
	progress("echo: %s, %s", name(c), p.name)
	e, err := b.startEcho(c, p)
	if err != nil {
		return nil, err
	}
	defer e.close()
	var rows []report.Row
	for _, size := range sizes {
		bare, guarded, control, err := pair.Rounds(b.pairs, func(s pair.Subject) (echoed, error) { return e.run(s, size, b.slice) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", title(size), err)
		}
		row, err := echoRow(c, size, bare, guarded, control, all)
		if err != nil {
			return nil, err
		}
		row.Case = title(size)
		rows = append(rows, row)
	}
	return rows, nil
}

// site is an echo server with its clients' connections.
type site struct {
	*sides
	pattern pattern
	groups  [3]int
}

func (b *bench) startEcho(c server.Config, p pattern) (*site, error) {
	sides, err := startSides()
	if err != nil {
		return nil, err
	}
	e := &site{sides: sides, pattern: p}
	url, err := e.start(c)
	for _, s := range []pair.Subject{pair.Bare, pair.Guarded, pair.Control} {
		if err == nil {
			err = e.load.Call("Open", load.Group{URL: url + pathOf(s), Deflate: c.Compress, Conns: p.conns}, &e.groups[s])
		}
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *site) run(s pair.Subject, size int, d time.Duration) (r echoed, err error) {
	before, err := e.cpu()
	if err != nil {
		return r, err
	}
	if err := e.load.Call("Echo", load.Echo{Group: e.groups[s], Size: size, Window: e.pattern.windowFor(size), Duration: d}, &r.Echoed); err != nil {
		return r, err
	}
	after, err := e.cpu()
	r.cpu = after - before
	return r, err
}

func echoRow(c server.Config, size int, bare, guarded, same []echoed, all *geometric) (report.Row, error) {
	rate := pair.Compare(bare, guarded, same, func(e echoed) float64 { return e.Rate() })
	p50 := pair.Compare(bare, guarded, same, func(e echoed) float64 { return float64(e.P50) })
	p99 := pair.Compare(bare, guarded, same, func(e echoed) float64 { return float64(e.P99) })
	cpu := pair.Compare(bare, guarded, same, echoed.cpuPerMessage)
	all.rate, all.p99, all.cpu = append(all.rate, rate.Ratio), append(all.p99, p99.Ratio), append(all.cpu, cpu.Ratio)
	var counted, equal = [2]string{"–", "–"}, true
	if size <= count.MaxCalls {
		var counts [2]count.Counts
		for i, path := range []string{server.Bare, server.Adapter} {
			n, err := count.Echo(count.Cell{Library: c.Library, Path: path, TLS: c.TLS, Compress: c.Compress, Size: size})
			if err != nil {
				return report.Row{}, err
			}
			counts[i] = n
			counted[i] = fmt.Sprintf("%d · %d+%d", n.Allocs, n.Reads, n.Writes)
		}
		equal = counts[1].Within(counts[0], c.Library == "gorilla" && !c.TLS && !c.Compress)
	}
	show := func(rate, p50, p99, cpu float64, counted string) string {
		return fmt.Sprintf("%s/s · %s · %s · %s · %s", thousands(rate), duration(p50), duration(p99), duration(cpu), counted)
	}
	return report.Row{
		Bare:    show(rate.Bare, p50.Bare, p99.Bare, cpu.Bare, counted[0]),
		Guarded: show(rate.Guarded, p50.Guarded, p99.Guarded, cpu.Guarded, counted[1]),
		Ratio:   fmt.Sprintf("%s · %s · %s · %s", ratio(rate), ratio(p50), ratio(p99), ratio(cpu)),
		Control: control(rate) + " · " + control(p99),
		Verdict: report.Judge(rate.AtLeast(0.97) && p99.AtMost(1.03) && equal),
	}, nil
}
