package pair

import (
	"math"
	"slices"
)

// Confidence is the probability with which an interval is to contain the truth.
const Confidence = 0.95

// Interval is a median, and between what it lies.
type Interval struct {
	Mid, Low, High float64
	// Level is the probability with which the truth is between Low and High: at
	// least Confidence, or less if there were too few values for that.
	Level float64
}

// Sure reports whether there were enough values for an interval that decides.
func (i Interval) Sure() bool { return i.Level >= Confidence }

// Contains reports whether v is in the interval.
func (i Interval) Contains(v float64) bool { return i.Low <= v && v <= i.High }

// Median returns the median of values and its interval by the sign test: the
// narrowest that reaches from the kth smallest value to the kth largest and has
// the Confidence. It takes for granted that the values are independent, and
// nothing about how they are distributed. Of no values all is NaN.
func Median(values []float64) Interval {
	n := len(values)
	if n == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN(), 0}
	}
	sorted := slices.Sorted(slices.Values(values))
	k, level := Rank(n)
	return Interval{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[k-1], sorted[n-k], level}
}

// Rank is k of [Median] for n values, and the level that it gives. Fewer than
// six can't have the Confidence: then it is 1, the whole range.
func Rank(n int) (k int, level float64) {
	// Each value is above the true median with probability one half. The interval
	// misses it on one side if fewer than k of them are.
	outside := probability(n, 0)
	k, level = 1, 1-2*outside
	for k < (n+1)/2 {
		outside += probability(n, k)
		if 1-2*outside < Confidence {
			break
		}
		k, level = k+1, 1-2*outside
	}
	return k, level
}

// probability is that of i heads in n throws of a coin.
func probability(n, i int) float64 {
	log := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v } // of n!
	return math.Exp(log(n) - log(i) - log(n-i) - float64(n)*math.Ln2)
}

// GeometricMean is the mean of several cells' ratios, made like one of them: the
// geometric mean of the cells' first pairs, of their second, and so on, are so many
// pairs again. Of cells with different numbers of them it takes the fewest.
func GeometricMean(cells []Comparison) Comparison {
	rounds := 0
	for i, cell := range cells {
		if i == 0 || len(cell.Pairs) < rounds {
			rounds = len(cell.Pairs)
		}
	}
	var c Comparison
	for round := range rounds {
		pairs, controls := 0.0, 0.0
		for _, cell := range cells {
			pairs += math.Log(cell.Pairs[round])
			controls += math.Log(cell.Controls[round])
		}
		c.Pairs = append(c.Pairs, math.Exp(pairs/float64(len(cells))))
		c.Controls = append(c.Controls, math.Exp(controls/float64(len(cells))))
	}
	c.Ratio, c.Control = Median(c.Pairs), Median(c.Controls)
	return c
}
