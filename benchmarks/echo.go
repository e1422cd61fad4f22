package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/count"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// echoCase is one case of echoes: its name, and all that was measured of it.
type echoCase struct {
	site
	size    int
	results pair.Results[echoed]
}

// site is what cases have in common that are measured in the same processes.
type site struct {
	config  server.Config
	pattern pattern
}

func (s site) String() string { return name(s.config) + ", " + s.pattern.name }

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

func (c *echoCase) String() string { return c.site.String() + ", " + bytes(c.size) }

// sizes of messages: most where the bars are several. What is deflated is small on the
// wire, and compressing it takes longer than all the rest: there are two sizes of it,
// without TLS.
func (b *bench) sizes(c server.Config) []int {
	switch {
	case c.Compress && c.TLS:
		return nil
	case b.quick, c.Compress:
		return []int{1 << 10, 64 << 10}
	case c.TLS:
		return []int{64, 1 << 10, 4 << 10, 8 << 10, 64 << 10, 1 << 20}
	default:
		return []int{64, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}
	}
}

// sites are where echoes are measured.
func (b *bench) sites() []site {
	var sites []site
	for _, library := range libraries {
		for _, secure := range []bool{false, true} {
			for _, compress := range []bool{false, true} {
				for _, p := range b.patterns() {
					sites = append(sites, site{server.Config{Library: library, TLS: secure, Compress: compress}, p})
				}
			}
		}
	}
	return sites
}

// echoCases are all that were asked for, those of a site one after the other.
func (b *bench) echoCases() []*echoCase {
	var cases []*echoCase
	for _, s := range b.sites() {
		for _, size := range b.sizes(s.config) {
			if c := (&echoCase{site: s, size: size}); b.match.MatchString(c.String()) {
				cases = append(cases, c)
			}
		}
	}
	return cases
}

// bar is what was aimed at for the throughput of echoes.
func (c *echoCase) bar() bar.Bar {
	large, middle := c.size >= 16<<10, c.size >= 4<<10
	switch plain := !c.config.TLS && !c.config.Compress; {
	case plain && large && c.config.Library == "coder":
		return bar.AtLeast(1.15)
	case plain && large:
		return bar.AtLeast(1)
	case plain && middle:
		return bar.AtLeast(0.97)
	default:
		return bar.AtLeast(0.99).OrControl()
	}
}

// class is what users would call cases with the same bar.
func (c *echoCase) class() string {
	switch {
	case c.config.Compress:
		return "compressed"
	case c.config.TLS:
		return "TLS, all sizes"
	case c.size >= 16<<10:
		return "plain TCP, 16 KiB to 1 MiB"
	case c.size >= 4<<10:
		return "plain TCP, 4 KiB and 8 KiB"
	default:
		return "plain TCP, under 4 KiB"
	}
}

// echo measures messages that come back. Each case's rounds are spread over several
// visits, each in fresh processes, so that neither a slow minute nor the luck of
// where a process's memory lies is taken for the guard.
func (b *bench) echo() (report.Section, error) {
	visits := b.scale(3, 1)
	cases := b.echoCases()
	for visit := range visits {
		for rest := cases; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].site == rest[0].site {
				n++
			}
			progress("echo, visit %d of %d: %v", visit+1, visits, rest[0].site)
			if err := b.visit(rest[:n], visit, b.pairs*(visit+1)/visits); err != nil {
				return report.Section{}, err
			}
			rest = rest[n:]
		}
	}
	return b.echoSection(cases)
}

// visit measures the cases of one site until each has so many pairs.
func (b *bench) visit(cases []*echoCase, visit, pairs int) error {
	e, err := b.startEcho(cases[0].site, pair.Order(visit))
	if err != nil {
		return err
	}
	defer e.close()
	for _, c := range cases {
		err := c.results.Measure(pairs-len(c.results.Bare), func(s pair.Subject) (echoed, error) { return e.run(s, c.size, b.slice) })
		if err != nil {
			return fmt.Errorf("%v: %w", c, err)
		}
	}
	return nil
}

// echoes is an echo server with its clients' connections.
type echoes struct {
	*sides
	pattern pattern
	groups  [3]int
}

func (b *bench) startEcho(s site, order [3]pair.Subject) (*echoes, error) {
	sides, err := startSides(s.pattern.oneCore)
	if err != nil {
		return nil, err
	}
	e := &echoes{sides: sides, pattern: s.pattern}
	url, err := e.start(s.config)
	for _, s2 := range order {
		if err == nil {
			err = e.load.Call("Open", load.Group{URL: url + pathOf(s2), Deflate: s.config.Compress, Conns: s.pattern.conns}, &e.groups[s2])
		}
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// echoed is one measurement.
type echoed struct {
	load.Echoed
	cpu time.Duration // of the server
}

func (e echoed) cpuPerMessage() float64 { return float64(e.cpu) / float64(e.All) }

// run measures echoes. If the machine had something else to do all the time it tries
// again: of nothing there are no ratios.
func (e *echoes) run(s pair.Subject, size int, d time.Duration) (r echoed, err error) {
	for range 5 {
		if r, err = e.once(s, size, d); err != nil || r.Messages > 0 {
			return r, err
		}
		progress("nothing came back in %v", d)
	}
	return r, errors.New("no message comes back in time")
}

func (e *echoes) once(s pair.Subject, size int, d time.Duration) (r echoed, err error) {
	for _, p := range []*child.Process{e.server, e.load} {
		if err := p.Call("Settle", child.None{}, &child.None{}); err != nil {
			return r, err
		}
	}
	before, err := e.cpu()
	if err != nil {
		return r, err
	}
	conns, window := e.pattern.underWay(size)
	order := load.Echo{Group: e.groups[s], Conns: conns, Window: window, Size: size, WarmUp: d / 5, Duration: d}
	if err := e.load.Call("Echo", order, &r.Echoed); err != nil {
		return r, err
	}
	after, err := e.cpu()
	r.cpu = after - before
	return r, err
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
