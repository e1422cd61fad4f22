package main

import (
	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/pair"
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
