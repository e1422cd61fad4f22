// Package pair compares bare with guarded by pairs of short measurements that
// alternate in one run, with a second bare one in each as the control: what the
// machine does to all of them cancels out, and the control says how well.
package pair

import (
	"math"
	"slices"
)

// Subject is what one measurement of a round is about.
type Subject int

// The subjects of a round.
const (
	Bare Subject = iota
	Guarded
	Control // bare once more
)

func (s Subject) String() string { return [...]string{"bare", "guarded", "control"}[s] }

// Rounds calls measure for every subject n times, after one round that isn't
// counted. Each round begins with another subject, so that none is always
// first. It stops at the first error.
func Rounds[T any](n int, measure func(Subject) (T, error)) (bare, guarded, control []T, err error) {
	results := [3][]T{}
	for round := range n + 1 {
		for i := range results {
			s := Subject((round + i) % len(results))
			r, err := measure(s)
			if err != nil {
				return nil, nil, nil, err
			}
			if round > 0 {
				results[s] = append(results[s], r)
			}
		}
	}
	return results[Bare], results[Guarded], results[Control], nil
}

// Comparison is what rounds say about one quantity.
type Comparison struct {
	Bare, Guarded float64 // medians
	Ratio         float64 // median of guarded to bare, pair by pair
	Control       float64 // median of control to bare
	Low, High     float64 // the middle half of control to bare: its spread
}

// Compare compares one quantity of the rounds' results, which are of equal number.
func Compare[T any](bare, guarded, control []T, quantity func(T) float64) Comparison {
	var b, g, ratio, same []float64
	for i := range bare {
		v := quantity(bare[i])
		b = append(b, v)
		g = append(g, quantity(guarded[i]))
		ratio = append(ratio, quantity(guarded[i])/v)
		same = append(same, quantity(control[i])/v)
	}
	return Comparison{
		Bare: Median(b), Guarded: Median(g), Ratio: Median(ratio),
		Control: Median(same), Low: Quantile(same, 0.25), High: Quantile(same, 0.75),
	}
}

// AtLeast reports whether the ratio is at least bar or inside the control's spread.
func (c Comparison) AtLeast(bar float64) bool { return c.Ratio >= min(bar, c.Low) }

// AtMost reports whether the ratio is at most bar or inside the control's spread.
func (c Comparison) AtMost(bar float64) bool { return c.Ratio <= max(bar, c.High) }

// Median returns the middle value, NaN of none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Quantile returns the value below which the share q of all values is, NaN of
// none; between two values it interpolates.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (sorted[i+1]-sorted[i])*(at-float64(i))
}

// GeometricMean returns the mean of ratios, NaN of none.
func GeometricMean(ratios []float64) float64 {
	sum := 0.0
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}
