package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/report"
)

func TestMain(m *testing.M) {
	child.Main(roles)
	os.Exit(m.Run())
}

// docs/benchmarks.md and the chart say what docs/benchmarks.json has, and nothing else.
func TestTheDocumentsAreThoseOfTheNumbers(t *testing.T) {
	all, err := report.Load("../docs/benchmarks.json")
	if err != nil || len(all.Sections) != len(parts) {
		t.Fatalf("%d sections, %v", len(all.Sections), err)
	}
	dir := t.TempDir()
	if err := write(all, dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"benchmarks.md", "benchmarks.json", "delivery.svg"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join("../docs", name)); err != nil || string(got) != string(want) {
			t.Errorf("docs/%s is not what the benchmarks write, %v: go run . -only \"\" -docs ../docs", name, err)
		}
	}
}

// A quick run of some echoes, whole lives and idle connections works, and says so little
// that it decides nothing.
func TestQuick(t *testing.T) {
	b := &bench{quick: true, pairs: 1, slice: 5 * time.Millisecond, match: regexp.MustCompile("^gorilla, ws, ping-pong, 1 KiB$")}
	for _, p := range parts {
		if p.name != "echo" && p.name != "memory" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			s, err := p.run(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Rows) < 4 {
				t.Errorf("only %+v", s.Rows)
			}
			for _, row := range s.Rows {
				if row.Verdict != bar.None && row.Verdict != bar.Open && row.Bar != "≤ bare" {
					t.Errorf("%+v after one pair", row)
				}
				if strings.Contains(row.Ratio+row.Control, "NaN") {
					t.Errorf("%+v", row)
				}
			}
		})
	}
}
