package bar_test

import (
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/bar"
	"github.com/closeguard/ws/benchmarks/internal/pair"
)

func TestJudge(t *testing.T) {
	is := func(low, mid, high float64) pair.Interval {
		return pair.Interval{Low: low, Mid: mid, High: high, Level: 0.96}
	}
	few := is(0.80, 0.85, 0.90)
	few.Level = 0.94
	quiet := is(0.99, 1.00, 1.01)
	for _, tt := range []struct {
		name           string
		bar            bar.Bar
		ratio, control pair.Interval
		want           bar.Verdict
		off            string
	}{
		{"all above", bar.AtLeast(0.97), is(0.98, 0.99, 1), quiet, bar.Met, ""},
		{"exactly at it", bar.AtLeast(0.97), is(0.97, 0.97, 0.97), quiet, bar.Met, ""},
		{"around it, the median above", bar.AtLeast(0.97), is(0.96, 0.98, 1), quiet, bar.Open, ""},
		{"around it, the median below", bar.AtLeast(0.97), is(0.90, 0.95, 0.98), quiet, bar.Open, "0.020"},
		{"up to it", bar.AtLeast(0.97), is(0.90, 0.95, 0.97), quiet, bar.Open, "0.020"},
		{"all below", bar.AtLeast(0.97), is(0.90, 0.92, 0.96), quiet, bar.Miss, "0.050, for sure 0.010"},
		{"all below, and so is the control", bar.AtLeast(0.97), is(0.90, 0.92, 0.96), is(0.80, 0.90, 0.95), bar.Miss, "0.050, for sure 0.010"},
		{"too few pairs", bar.AtLeast(0.97), few, quiet, bar.Open, "0.120"},

		{"or control: above both", bar.AtLeast(0.99).OrControl(), is(0.99, 1, 1.01), quiet, bar.Met, ""},
		{"or control: below both", bar.AtLeast(0.99).OrControl(), is(0.94, 0.95, 0.96), is(0.97, 1, 1.03), bar.Miss, "0.040, for sure 0.030"},
		{"or control: into the control", bar.AtLeast(0.99).OrControl(), is(0.94, 0.95, 0.98), is(0.97, 1, 1.03), bar.Open, "0.040"},
		{"or control: inside the control", bar.AtLeast(0.99).OrControl(), is(0.97, 0.97, 0.98), is(0.90, 1, 1.10), bar.Open, "0.020"},
		{"or control: a control that is better than bare", bar.AtLeast(0.99).OrControl(), is(0.98, 1, 1.02), is(1.03, 1.04, 1.05), bar.Open, ""},

		{"at most: all below", bar.AtMost(1.03), is(1, 1.01, 1.02), quiet, bar.Met, ""},
		{"at most: around it", bar.AtMost(1.03), is(1, 1.04, 1.05), quiet, bar.Open, "0.010"},
		{"at most: all above", bar.AtMost(1.03), is(1.04, 1.05, 1.06), quiet, bar.Miss, "0.020, for sure 0.010"},
		{"at most, or control: into the control", bar.AtMost(1.03).OrControl(), is(1.04, 1.05, 1.06), is(0.95, 1, 1.04), bar.Open, "0.020"},
		{"at most, or control: above both", bar.AtMost(1.03).OrControl(), is(1.05, 1.06, 1.07), is(0.95, 1, 1.04), bar.Miss, "0.030, for sure 0.020"},

		{"bytes: met", bar.AtMostBytes(384), is(320, 328, 340), is(-5, 0, 5), bar.Met, ""},
		{"bytes: missed", bar.AtMostBytes(384), is(690, 700.5, 710), is(-5, 0, 5), bar.Miss, "317 B, for sure 306 B"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, off := tt.bar.Judge(pair.Comparison{Ratio: tt.ratio, Control: tt.control})
			if got != tt.want || off != tt.off {
				t.Errorf("%v: got %q, %q; want %q, %q", tt.bar, got, off, tt.want, tt.off)
			}
		})
	}
	// What nobody has measured meets nothing.
	if got, off := bar.AtLeast(1).Judge(pair.Compare(pair.Results[float64]{}, func(v float64) float64 { return v })); got != bar.Open || off != "" {
		t.Errorf("of nothing: %q, %q", got, off)
	}
}

func TestString(t *testing.T) {
	for want, b := range map[string]bar.Bar{
		"≥ 0.97":            bar.AtLeast(0.97),
		"≤ 1.03":            bar.AtMost(1.03),
		"≥ 0.99 or control": bar.AtLeast(0.99).OrControl(),
		"≤ +384 B":          bar.AtMostBytes(384),
	} {
		if got := b.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestExact(t *testing.T) {
	if bar.Exact(true) != bar.Met || bar.Exact(false) != bar.Miss {
		t.Error("what is counted is met or missed")
	}
}
