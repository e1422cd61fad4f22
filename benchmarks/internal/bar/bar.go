// Package bar says whether what was measured is as good as what was aimed at, as
// far as the noise lets one say that.
package bar

import (
	"fmt"
	"math"

	"github.com/closeguard/ws/benchmarks/internal/pair"
)

// Verdict says whether a bar was met.
type Verdict string

// The verdicts.
const (
	None Verdict = ""     // no bar
	Met  Verdict = "met"  // the whole interval is at the bar or on its right side
	Open Verdict = "open" // the interval contains the bar: more can't be said
	Miss Verdict = "MISS" // the whole interval is on the wrong side
)

// Exact is the verdict on what is counted, without noise.
func Exact(ok bool) Verdict {
	if ok {
		return Met
	}
	return Miss
}

// Bar is what was aimed at before it was measured.
type Bar struct {
	limit     float64
	most      bool // at most the limit, else at least
	orControl bool
	bytes     bool // not a ratio
}

// AtLeast is the bar of a ratio that is better the larger it is.
func AtLeast(ratio float64) Bar { return Bar{limit: ratio} }

// AtMost is the bar of a ratio that is better the smaller it is.
func AtMost(ratio float64) Bar { return Bar{limit: ratio, most: true} }

// AtMostBytes is the bar of a difference in bytes.
func AtMostBytes(n float64) Bar { return Bar{limit: n, most: true, bytes: true} }

// OrControl is the bar that isn't missed either by what reaches into the
// control's interval. It isn't met by that: noise proves nothing.
func (b Bar) OrControl() Bar {
	b.orControl = true
	return b
}

func (b Bar) String() string {
	s := "≥ "
	if b.most {
		s = "≤ "
	}
	if b.bytes {
		s += fmt.Sprintf("%+.0f B", b.limit)
	} else {
		s += fmt.Sprintf("%.2f", b.limit)
	}
	if b.orControl {
		s += " or control"
	}
	return s
}

// Judge compares with the bar. Behind an interval that isn't sure it stays open.
// Off is by how much the median is on the wrong side, and of a bar that is missed
// also how much of that is certain.
func (b Bar) Judge(c pair.Comparison) (v Verdict, off string) {
	// As if larger were better.
	mid, worst, best, limit, control := c.Ratio.Mid, c.Ratio.Low, c.Ratio.High, b.limit, c.Control.Low
	if b.most {
		mid, worst, best, limit, control = -mid, -c.Ratio.High, -c.Ratio.Low, -limit, -c.Control.High
	}
	missed := best < limit && (!b.orControl || best < control)
	switch {
	case !c.Ratio.Sure():
		v = Open
	case worst >= limit:
		v = Met
	case missed:
		v = Miss
	default:
		v = Open
	}
	if mid < limit {
		off = b.distance(limit - mid)
	}
	if v == Miss {
		off += ", for sure " + b.distance(limit-best)
	}
	return v, off
}

// distance shows how far something is from the limit.
func (b Bar) distance(d float64) string {
	if b.bytes {
		return fmt.Sprintf("%.0f B", math.Ceil(d))
	}
	return fmt.Sprintf("%.3f", d)
}
