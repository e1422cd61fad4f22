package pair_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/pair"
)

const (
	b = pair.Bare
	g = pair.Guarded
	c = pair.Control
)

func TestTheFirstRoundIsNotCounted(t *testing.T) {
	var order []pair.Subject
	var r pair.Results[int]
	err := r.Measure(3, func(s pair.Subject) (int, error) {
		order = append(order, s)
		return len(order), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []pair.Subject{b, g, c, b, g, c, c, g, b, g, c, b}; !slices.Equal(order, want) {
		t.Errorf("measured %v, want %v", order, want)
	}
	if !slices.Equal(r.Bare, []int{4, 9, 12}) || !slices.Equal(r.Guarded, []int{5, 8, 10}) || !slices.Equal(r.Control, []int{6, 7, 11}) {
		t.Errorf("counted %+v", r)
	}
}

// Whoever measures in two visits has the orders of one.
func TestTheOrderGoesOn(t *testing.T) {
	var r pair.Results[int]
	var order []pair.Subject
	for _, n := range []int{1, 2} {
		order = nil
		r.Measure(n, func(s pair.Subject) (int, error) {
			order = append(order, s)
			return 0, nil
		})
	}
	if want := []pair.Subject{c, g, b, c, g, b, g, c, b}; !slices.Equal(order, want) {
		t.Errorf("measured %v the second time, want %v", order, want)
	}
	if len(r.Bare) != 3 {
		t.Errorf("%d rounds in all, want 3", len(r.Bare))
	}
}

func TestAnErrorEndsIt(t *testing.T) {
	broken := errors.New("broken")
	var r pair.Results[int]
	calls := 0
	err := r.Measure(3, func(pair.Subject) (int, error) {
		if calls++; calls == 5 {
			return 0, broken
		}
		return 0, nil
	})
	if err != broken || calls != 5 || len(r.Bare) != 1 || len(r.Guarded) != 0 {
		t.Errorf("%v after %d calls, %+v", err, calls, r)
	}
}

// Each subject has each place equally often, and of two each is the first one half of
// the time, in two rounds that follow each other already.
func TestNobodyGainsByTheOrder(t *testing.T) {
	places := map[pair.Subject][3]int{}
	for round := range 6 {
		for place, s := range pair.Order(round) {
			p := places[s]
			p[place]++
			places[s] = p
		}
		if round%2 == 0 {
			order, back := pair.Order(round), pair.Order(round+1)
			slices.Reverse(back[:])
			if order != back {
				t.Errorf("round %d is not the reverse of %d", round+1, round)
			}
		}
	}
	for s, p := range places {
		if p != [3]int{2, 2, 2} {
			t.Errorf("%v is so often first, second and third: %v", s, p)
		}
	}
	if pair.Order(6) != pair.Order(0) {
		t.Error("the seventh round is not the first again")
	}
}

// The ratio is that of the pairs: a machine that turns slower does no harm.
func TestCompare(t *testing.T) {
	r := pair.Results[float64]{Bare: []float64{100, 50, 10}, Guarded: []float64{90, 45, 9}, Control: []float64{100, 55, 9}}
	same := func(v float64) float64 { return v }
	for _, tt := range []struct {
		name           string
		got            pair.Comparison
		ratio, control pair.Interval
	}{
		{"ratios", pair.Compare(r, same), pair.Interval{Mid: 0.9, Low: 0.9, High: 0.9, Level: 0.75}, pair.Interval{Mid: 1, Low: 0.9, High: 1.1, Level: 0.75}},
		{"differences", pair.Differ(r, same), pair.Interval{Mid: -5, Low: -10, High: -1, Level: 0.75}, pair.Interval{Mid: 0, Low: -1, High: 5, Level: 0.75}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Bare != 50 || tt.got.Guarded != 45 || !near(tt.got.Ratio, tt.ratio) || !near(tt.got.Control, tt.control) {
				t.Errorf("got %+v", tt.got)
			}
		})
	}
}

func near(a, b pair.Interval) bool {
	is := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	return is(a.Mid, b.Mid) && is(a.Low, b.Low) && is(a.High, b.High) && is(a.Level, b.Level)
}
