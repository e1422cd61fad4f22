package pair_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/pair"
)

// The ranks are those of the tables of the sign test.
func TestRank(t *testing.T) {
	for _, tt := range []struct {
		n, k  int
		level float64
	}{
		{1, 1, 0},
		{2, 1, 0.5},
		{3, 1, 0.75},
		{5, 1, 0.9375}, // one too few
		{6, 1, 0.96875},
		{8, 1, 0.9921875},
		{9, 2, 0.9609375},
		{12, 3, 0.9614},
		{15, 4, 0.9648},
		{18, 5, 0.9691},
		{20, 6, 0.9586},
		{30, 10, 0.9572},
		{50, 18, 0.9672},
		{100, 40, 0.9648},
		{5000, 2431, 0.9507}, // 2500 - 1.96 * sqrt(5000) / 2
	} {
		if k, level := pair.Rank(tt.n); k != tt.k || math.Abs(level-tt.level) > 1e-4 {
			t.Errorf("of %d: number %d and %.5f, want %d and %.5f", tt.n, k, level, tt.k, tt.level)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   pair.Interval
	}{
		{"one", []float64{7}, pair.Interval{Mid: 7, Low: 7, High: 7}},
		{"two", []float64{9, 7}, pair.Interval{Mid: 8, Low: 7, High: 9, Level: 0.5}},
		{"six, in any order", []float64{6, 1, 5, 2, 4, 3}, pair.Interval{Mid: 3.5, Low: 1, High: 6, Level: 0.96875}},
		{"nine, without the outermost", []float64{9, 1, 8, 2, 7, 3, 6, 4, 5}, pair.Interval{Mid: 5, Low: 2, High: 8, Level: 0.9609375}},
		{"outliers", []float64{1, 1, 1, 1, 1, 1, 1, 1, 1e9}, pair.Interval{Mid: 1, Low: 1, High: 1, Level: 0.9609375}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			got := pair.Median(tt.values)
			if !near(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.Sure() != (len(tt.values) >= 6) {
				t.Errorf("sure: %t", got.Sure())
			}
			if !slices.Equal(tt.values, before) {
				t.Errorf("the values are %v now", tt.values)
			}
		})
	}
	if none := pair.Median(nil); !math.IsNaN(none.Mid) || none.Sure() || none.Contains(0) {
		t.Errorf("of nothing: %+v", none)
	}
}

// What the interval promises holds, whatever the noise looks like.
func TestTheIntervalContainsTheTruth(t *testing.T) {
	for name, noise := range map[string]func(*rand.Rand) float64{
		"even":           func(r *rand.Rand) float64 { return r.Float64() },
		"skewed":         func(r *rand.Rand) float64 { return 0.5 + r.ExpFloat64() - math.Ln2 },
		"two states":     func(r *rand.Rand) float64 { return 0.5 + (r.Float64()-0.5)*[]float64{0.01, 10}[r.IntN(2)] },
		"without a mean": func(r *rand.Rand) float64 { return 0.5 + math.Tan(math.Pi*(r.Float64()-0.5)) },
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			const n = 4000
			hits := 0
			for range n {
				values := make([]float64, 15)
				for i := range values {
					values[i] = noise(random)
				}
				if pair.Median(values).Contains(0.5) {
					hits++
				}
			}
			_, level := pair.Rank(15)
			if share := float64(hits) / n; math.Abs(share-level) > 0.01 {
				t.Errorf("%.4f of the intervals contain it, want %.4f", share, level)
			}
		})
	}
}

func TestGeometricMean(t *testing.T) {
	double, half := pair.Comparison{Pairs: []float64{2, 2, 2}, Controls: []float64{1, 1, 1}}, pair.Comparison{Pairs: []float64{0.5, 0.5, 0.5}, Controls: []float64{1, 1, 1}}
	for _, tt := range []struct {
		name           string
		cells          []pair.Comparison
		ratio, control pair.Interval
	}{
		{"one cell is itself", []pair.Comparison{double}, pair.Interval{Mid: 2, Low: 2, High: 2, Level: 0.75}, pair.Interval{Mid: 1, Low: 1, High: 1, Level: 0.75}},
		{"twice and half", []pair.Comparison{double, half}, pair.Interval{Mid: 1, Low: 1, High: 1, Level: 0.75}, pair.Interval{Mid: 1, Low: 1, High: 1, Level: 0.75}},
		{
			"round by round",
			[]pair.Comparison{{Pairs: []float64{1, 4, 9}, Controls: []float64{1, 1, 4}}, {Pairs: []float64{1, 1, 1}, Controls: []float64{4, 1, 1}}},
			pair.Interval{Mid: 2, Low: 1, High: 3, Level: 0.75}, pair.Interval{Mid: 2, Low: 1, High: 2, Level: 0.75},
		},
		{
			"as many rounds as all have",
			[]pair.Comparison{double, {Pairs: []float64{8}, Controls: []float64{4}}},
			pair.Interval{Mid: 4, Low: 4, High: 4}, pair.Interval{Mid: 2, Low: 2, High: 2},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := pair.GeometricMean(tt.cells)
			if !near(got.Ratio, tt.ratio) || !near(got.Control, tt.control) {
				t.Errorf("got %+v and %+v, want %+v and %+v", got.Ratio, got.Control, tt.ratio, tt.control)
			}
		})
	}
	if none := pair.GeometricMean(nil); none.Ratio.Sure() {
		t.Errorf("of nothing: %+v", none)
	}
}
