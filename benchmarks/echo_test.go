package main

import (
	"fmt"
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/load"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// The bars of echoes' throughput, and the classes that the page begins with.
func TestBarsOfEchoes(t *testing.T) {
	for _, tt := range []struct{ name, bar, class string }{
		{"gorilla, ws, ping-pong, 64 B", "≥ 0.99 or control", "plain TCP, under 4 KiB"},
		{"coder, ws, 200 pipelining, 1 KiB", "≥ 0.99 or control", "plain TCP, under 4 KiB"},
		{"gorilla, ws, ping-pong, 4 KiB", "≥ 0.97", "plain TCP, 4 KiB and 8 KiB"},
		{"coder, ws, ping-pong, 8 KiB", "≥ 0.97", "plain TCP, 4 KiB and 8 KiB"},
		{"gorilla, ws, 200 pipelining, 16 KiB", "≥ 1.00", "plain TCP, 16 KiB to 1 MiB"},
		{"gorilla, ws, ping-pong, 1 MiB", "≥ 1.00", "plain TCP, 16 KiB to 1 MiB"},
		{"coder, ws, ping-pong, 16 KiB", "≥ 1.15", "plain TCP, 16 KiB to 1 MiB"},
		{"coder, ws, 200 pipelining, 256 KiB", "≥ 1.15", "plain TCP, 16 KiB to 1 MiB"},
		{"coder, wss, 200 pipelining, 1 MiB", "≥ 0.99 or control", "TLS, all sizes"},
		{"gorilla, wss, ping-pong, 64 B", "≥ 0.99 or control", "TLS, all sizes"},
		{"coder, ws, deflate, ping-pong, 64 KiB", "≥ 0.99 or control", "compressed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bench{match: regexp.MustCompile("^" + tt.name + "$")}
			cases := b.echoCases()
			if len(cases) != 1 {
				t.Fatalf("%d cases of that name", len(cases))
			}
			if got := cases[0].bar().String(); got != tt.bar {
				t.Errorf("the bar is %s, want %s", got, tt.bar)
			}
			if got := cases[0].class(); got != tt.class {
				t.Errorf("the class is %q, want %q", got, tt.class)
			}
		})
	}
}

// All cases together are done in about 15 minutes, with what is between the measurements.
func TestEchoesTakeTheirTime(t *testing.T) {
	b := &bench{match: regexp.MustCompile("")}
	const pairs, visits, slice, between = 18, 3, 150 * time.Millisecond, 45 * time.Millisecond
	each := slice + slice/5 + between
	if took := time.Duration(len(b.echoCases())*(pairs+visits)*3) * each; took > 15*time.Minute+30*time.Second {
		t.Errorf("%d cases take %v", len(b.echoCases()), took)
	}
}

// Of large messages so few are under way that they come back within a measurement.
func TestUnderWay(t *testing.T) {
	pingPong, many := (&bench{}).patterns()[0], (&bench{}).patterns()[1]
	for _, tt := range []struct {
		pattern             pattern
		size, conns, window int
	}{
		{pingPong, 64, 1, 1},
		{pingPong, 1 << 20, 1, 1},
		{many, 64, 200, 16},
		{many, 1 << 10, 200, 16},
		{many, 8 << 10, 200, 4},
		{many, 16 << 10, 200, 2},
		{many, 64 << 10, 128, 1},
		{many, 256 << 10, 32, 1},
		{many, 1 << 20, 8, 1},
	} {
		t.Run(tt.pattern.name+", "+bytes(tt.size), func(t *testing.T) {
			if conns, window := tt.pattern.underWay(tt.size); conns != tt.conns || window != tt.window {
				t.Errorf("%d connections with %d messages each, want %d with %d", conns, window, tt.conns, tt.window)
			}
		})
	}
}

// madeUp is a case with rounds in which guarded has so many messages, p99 and CPU time
// for one of bare's, and the control is like bare.
func madeUp(library string, size int, messages float64, p99, cpu int) *echoCase {
	c := &echoCase{site: site{server.Config{Library: library}, pattern{name: "ping-pong"}}, size: size}
	for i := range 9 {
		n := 1000 * (10 + i) // the machine turns faster and faster
		bare := echoed{load.Echoed{Messages: n, All: 2 * n, Elapsed: time.Second, P99: 1000}, time.Duration(500 * 2 * n)}
		m := int(math.Round(messages * float64(n)))
		guarded := echoed{load.Echoed{Messages: m, All: 3 * m, Elapsed: time.Second, P99: time.Duration(p99)}, time.Duration(cpu * 3 * m)}
		c.results.Bare, c.results.Control = append(c.results.Bare, bare), append(c.results.Control, bare)
		c.results.Guarded = append(c.results.Guarded, guarded)
	}
	return c
}

// From samples to the lines of the report.
func TestWhatEchoesTell(t *testing.T) {
	const size = 256 << 10 // so large that nothing is counted
	cases := []*echoCase{madeUp("gorilla", size, 0.81, 1020, 500), madeUp("coder", size, 1.21, 1060, 450)}
	s, err := (&bench{match: regexp.MustCompile("")}).echoSection(cases)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.Rows {
		got = append(got, fmt.Sprintf("%s: %s | %s | %s | %s | %s", r.Case, r.Measure, r.Ratio, r.Bar, r.Verdict, r.Off))
	}
	want := []string{
		"gorilla, ws, ping-pong, 256 KiB: messages per second | 0.810 [0.810 0.810] | ≥ 1.00 | MISS | 0.190, for sure 0.190",
		"gorilla, ws, ping-pong, 256 KiB: p99 | 1.020 [1.020 1.020] |  |  | ",
		"gorilla, ws, ping-pong, 256 KiB: CPU per message | 1.000 [1.000 1.000] |  |  | ",
		"coder, ws, ping-pong, 256 KiB: messages per second | 1.210 [1.210 1.210] | ≥ 1.15 | met | ",
		"coder, ws, ping-pong, 256 KiB: p99 | 1.060 [1.060 1.060] |  |  | ",
		"coder, ws, ping-pong, 256 KiB: CPU per message | 0.900 [0.900 0.900] |  |  | ",
		"gorilla, plain TCP, 16 KiB to 1 MiB: messages per second, geometric mean | 0.810 [0.810 0.810] | ≥ 1.00 | MISS | 0.190, for sure 0.190",
		"coder, plain TCP, 16 KiB to 1 MiB: messages per second, geometric mean | 1.210 [1.210 1.210] | ≥ 1.15 | met | ",
		"all: messages per second, geometric mean | 0.990 [0.990 0.990] | ≥ 1.00 | MISS | 0.010, for sure 0.010",
		"all: p99, geometric mean | 1.040 [1.040 1.040] | ≤ 1.03 | MISS | 0.010, for sure 0.010",
		"all: CPU per message, geometric mean | 0.949 [0.949 0.949] | ≤ 1.00 | met | ",
		"all: intervals of the control without 1, where about 0.1 are due |  |  |  | ",
	}
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("line %d is missing: %s", i+1, want[i])
		case i >= len(want) || got[i] != want[i]:
			t.Errorf("line %d is %s", i+1, got[i])
		}
	}
}

// Of some of the cases no bar is told that is about all.
func TestSomeEchoesHaveNoBarOfAll(t *testing.T) {
	cases := []*echoCase{madeUp("gorilla", 256<<10, 0.9, 1000, 500), madeUp("coder", 256<<10, 0.9, 1000, 500)}
	s, err := (&bench{match: regexp.MustCompile("256 KiB")}).echoSection(cases)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.Rows[6:] {
		if r.Verdict != bar.None || r.Gist != "" {
			t.Errorf("%+v", r)
		}
	}
	if len(s.Rows) != 10 {
		t.Errorf("%d lines, want 10", len(s.Rows))
	}
}

func TestSelfCheck(t *testing.T) {
	around := func(low, high float64) pair.Comparison {
		return pair.Comparison{Control: pair.Interval{Low: low, Mid: (low + high) / 2, High: high, Level: 0.95}}
	}
	got := selfCheck([]pair.Comparison{around(0.9, 1.1), around(1, 1.1), around(1.01, 1.1), around(0.9, 0.99)})
	if want := (report.Row{Case: "all", Measure: "intervals of the control without 1, where about 0.2 are due", Control: "2 of 4"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
