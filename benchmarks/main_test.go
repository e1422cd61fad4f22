package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/pair"
	"github.com/closeguard/ws/benchmarks/internal/report"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

func TestMain(m *testing.M) {
	child.Main(roles)
	os.Setenv("GORACE", "atexit_sleep_ms=0") // by itself each child sleeps for a second at its end
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

// A quick run of a case of echoes works, and says so little that it decides nothing.
func TestQuick(t *testing.T) {
	b := &bench{quick: true, pairs: 1, slice: 5 * time.Millisecond, match: regexp.MustCompile("^gorilla, ws, ping-pong, 1 KiB$")}
	s, err := b.echo()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rows) != 4 {
		t.Errorf("%d lines, want 4", len(s.Rows))
	}
	for _, row := range s.Rows {
		switch {
		case row.Bar == "≤ bare":
			if row.Bare == "" || row.Guarded == "" {
				t.Errorf("nothing was counted: %+v", row)
			}
		case row.Verdict != bar.None && row.Verdict != bar.Open:
			t.Errorf("%+v after one pair", row)
		case row.Ratio == "" || strings.Contains(row.Ratio+row.Control, "NaN"):
			t.Errorf("%+v", row)
		}
	}
}

// Each of the other measurements works once.
func TestOneMeasurement(t *testing.T) {
	b := &bench{quick: true}
	for name, measure := range map[string]func() (any, error){
		"life":     func() (any, error) { return b.lifeBeside(server.Config{Library: "coder"}, server.Adapter, 1) },
		"memory":   func() (any, error) { return idle("gorilla", server.Adapter, 50) },
		"shutdown": func() (any, error) { return shutdown("gorilla", pair.Guarded, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := measure()
			if err != nil || reflect.ValueOf(got).IsZero() {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
