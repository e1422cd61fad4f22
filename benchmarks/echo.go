package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
)

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
	for _, subject := range order {
		if err == nil {
			err = e.load.Call("Open", load.Group{URL: url + pathOf(subject), Deflate: s.config.Compress, Conns: s.pattern.conns}, &e.groups[subject])
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
