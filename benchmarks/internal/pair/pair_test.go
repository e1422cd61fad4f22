package pair_test

import (
	"math"
	"slices"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/pair"
)

func TestRoundsAlternateAndDropTheFirst(t *testing.T) {
	var order []pair.Subject
	bare, guarded, control, err := pair.Rounds(3, func(s pair.Subject) (int, error) {
		order = append(order, s)
		return len(order), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, g, c := pair.Bare, pair.Guarded, pair.Control
	if want := []pair.Subject{b, g, c, g, c, b, c, b, g, b, g, c}; !slices.Equal(order, want) {
		t.Errorf("measured %v, want %v", order, want)
	}
	if len(bare) != 3 || len(guarded) != 3 || len(control) != 3 {
		t.Errorf("%v, %v and %v, want three each", bare, guarded, control)
	}
}

// The ratio is that of the pairs: a machine that turns slower does no harm.
func TestCompare(t *testing.T) {
	c := pair.Compare([]float64{100, 50, 10}, []float64{90, 45, 9}, []float64{100, 55, 9}, func(v float64) float64 { return v })
	if c.Bare != 50 || c.Guarded != 45 || math.Abs(c.Ratio-0.9) > 1e-9 || c.Control != 1 || math.Abs(c.Low-0.95) > 1e-9 || math.Abs(c.High-1.05) > 1e-9 {
		t.Errorf("got %+v", c)
	}
}

func TestBarsYieldToTheControl(t *testing.T) {
	for _, tt := range []struct {
		name            string
		c               pair.Comparison
		atLeast, atMost bool
	}{
		{"as good as bare", pair.Comparison{Ratio: 1, Low: 1, High: 1}, true, true},
		{"a little worse", pair.Comparison{Ratio: 0.98, Low: 1, High: 1}, true, true},
		{"slower", pair.Comparison{Ratio: 0.9, Low: 0.95, High: 1.05}, false, true},
		{"slower, as the control is", pair.Comparison{Ratio: 0.9, Low: 0.85, High: 1.1}, true, true},
		{"longer", pair.Comparison{Ratio: 1.2, Low: 0.9, High: 1.1}, true, false},
		{"longer, as the control is", pair.Comparison{Ratio: 1.2, Low: 0.9, High: 1.3}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.AtLeast(0.97); got != tt.atLeast {
				t.Errorf("at least 0.97: %t", got)
			}
			if got := tt.c.AtMost(1.03); got != tt.atMost {
				t.Errorf("at most 1.03: %t", got)
			}
		})
	}
}
