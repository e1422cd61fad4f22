package report_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/report"
)

// made has each kind of row there is.
func made() *report.Report {
	return &report.Report{Sections: []report.Section{
		{
			Name: "delivery", Title: "Codes that arrive", Note: "Of 50 runs each.", Machine: "2026-11-22 21:47, 2 cores.",
			Rows: []report.Row{
				{Case: "flood, gorilla", Measure: "adapter", Bare: "0 50", Guarded: "50 48", Bar: "all 50", Verdict: bar.Miss, Off: "2 of 100 runs"},
				{Case: "flood, gorilla", Measure: "plain", Bare: "0 50", Guarded: "50 50"},
				{Case: "all, gorilla", Measure: "adapter", Bare: "50.0 %", Guarded: "98.0 %", Gist: "close codes that arrive, gorilla"},
			},
		},
		{
			Name: "echo", Title: "Echo", Note: "CPU is the server's.", Machine: "2026-11-22 22:50, 2 cores.",
			Rows: []report.Row{
				{
					Case: "gorilla, ws, ping-pong, 64 B", Measure: "messages per second", Bare: "23,300", Guarded: "22,432",
					Ratio: "0.960 [0.941 0.978]", Control: "1.001 [0.990 1.010]", Bar: "≥ 0.99 or control", Verdict: bar.Miss, Off: "0.030, for sure 0.012",
				},
				{Case: "gorilla, ws, ping-pong, 64 B", Measure: "p99", Bare: "144µs", Guarded: "145µs", Ratio: "1.010 [0.990 1.030]", Control: "0.990 [0.970 1.020]"},
				{Case: "gorilla, ws, ping-pong, 64 B", Measure: "allocations · system calls", Bare: "2 · 1+1", Guarded: "2 · 1+1", Bar: "≤ bare", Verdict: bar.Met},
				{Case: "all", Measure: "messages per second, geometric mean", Ratio: "0.998 [0.990 1.004]", Control: "1.000 [0.994 1.007]", Bar: "≥ 1.00", Verdict: bar.Open, Off: "0.002", Gist: "echoes per second, all cases"},
				{Case: "all", Measure: "p99, geometric mean", Ratio: "1.010 [0.980 1.040]", Control: "1.000 [0.970 1.030]", Bar: "≤ 1.03", Verdict: bar.Open},
			},
		},
	}}
}

// What a terminal and the page show, character by character: testdata is the page
// to look at.
func TestWhatIsShown(t *testing.T) {
	for name, got := range map[string]string{"report.txt": made().Text(), "report.md": made().Markdown()} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Where nothing was missed there is no table of misses, and where nothing was measured
// nothing breaks.
func TestNothingMissed(t *testing.T) {
	r := made()
	for _, s := range r.Sections {
		for i := range s.Rows {
			if s.Rows[i].Verdict == bar.Miss {
				s.Rows[i].Verdict = bar.Met
			}
		}
	}
	for _, r := range []*report.Report{r, new(report.Report)} {
		for _, text := range []string{r.Text(), r.Markdown()} {
			if strings.Contains(text, "off by") {
				t.Errorf("it tells misses:\n%s", text)
			}
		}
	}
}

// A part that is measured again takes the place of the old one, and the others stay.
func TestSet(t *testing.T) {
	order := []string{"delivery", "echo", "life"}
	r := made()
	r.Set(report.Section{Name: "life", Title: "Life"}, order)
	r.Set(report.Section{Name: "delivery", Title: "again"}, order)
	var titles []string
	for _, s := range r.Sections {
		titles = append(titles, s.Title)
	}
	if got := strings.Join(titles, ", "); got != "again, Echo, Life" {
		t.Errorf("the sections are %s", got)
	}
}

func TestStoreAndLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.json")
	if none, err := report.Load(file); err != nil || len(none.Sections) > 0 {
		t.Errorf("of no file: %v, %v", none, err)
	}
	if err := made().Store(file); err != nil {
		t.Fatal(err)
	}
	if got, err := report.Load(file); err != nil || !reflect.DeepEqual(got, made()) {
		t.Errorf("loaded %+v, %v", got, err)
	}
}
