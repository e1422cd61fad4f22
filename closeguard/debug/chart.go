package debug

import (
	"fmt"
	"time"
)

// The chart's measures, in the units of its viewBox.
const (
	chartWidth, chartHeight = 720, 190
	left, right             = 34, 4
	top, bottom             = 8, 20
	colours                 = 8 // the style has so many, and the last is for what is left
)

// bar is the endings of one kind in one bucket.
type bar struct {
	X, Y, W, H float64
	Colour     int
	Words      string
}

// line is one of the chart's horizontal lines, and what stands beside it.
type line struct {
	Y    float64
	Text string
}

// mark is a time below the chart.
type mark struct {
	X      float64
	Text   string
	Anchor string
}

// Shown are the series that have colours of their own, and one for the others.
func (c chart) Shown() []series {
	if len(c.Series) <= colours {
		return c.Series
	}
	shown := append([]series{}, c.Series[:colours-1]...)
	rest := series{Name: fmt.Sprintf("%d more", len(c.Series)-colours+1), Counts: make([]uint32, buckets)}
	for _, s := range c.Series[colours-1:] {
		rest.Total += s.Total
		for i, n := range s.Counts {
			rest.Counts[i] += n
		}
	}
	return append(shown, rest)
}

// highest is the most that ended in one bucket.
func (c chart) highest() (most uint32) {
	for i := range buckets {
		sum := uint32(0)
		for _, s := range c.Series {
			sum += s.Counts[i]
		}
		most = max(most, sum)
	}
	return most
}

// scale is the value of the topmost line: 1, 2, 5, 10, 20, 50 and so on.
func scale(most uint32) uint32 {
	for unit := uint32(1); ; unit *= 10 {
		for _, n := range []uint32{1, 2, 5} {
			if n*unit >= most || unit >= 1e9 {
				return n * unit
			}
		}
	}
}

// Bars are those of the chart.
func (c chart) Bars() []bar {
	const step = float64(chartWidth-left-right) / buckets
	high := float64(scale(c.highest()))
	var bars []bar
	var stacked [buckets]float64
	for colour, s := range c.Shown() {
		for i, n := range s.Counts {
			if n == 0 {
				continue
			}
			h := float64(n) / high * (chartHeight - top - bottom)
			stacked[i] += h
			from := c.Until.Add(-time.Duration((buckets-i)*c.Width) * time.Second)
			bars = append(bars, bar{
				X: left + float64(i)*step + 1, Y: chartHeight - bottom - stacked[i], W: step - 2, H: h,
				Colour: colour,
				Words:  fmt.Sprintf("%s %s: %d", from.Format("15:04:05"), s.Name, n),
			})
		}
	}
	return bars
}

// row is what ended in one bucket.
type row struct {
	From   time.Time
	Counts []uint32
}

// Rows are the buckets in which something ended, the newest first.
func (c chart) Rows() (rows []row) {
	shown := c.Shown()
	for i := buckets - 1; i >= 0; i-- {
		r := row{From: c.Until.Add(-time.Duration((buckets-i)*c.Width) * time.Second)}
		sum := uint32(0)
		for _, s := range shown {
			r.Counts = append(r.Counts, s.Counts[i])
			sum += s.Counts[i]
		}
		if sum > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// Lines are at nothing, half and all of the scale.
func (c chart) Lines() []line {
	high := scale(c.highest())
	at := func(share float64) float64 { return top + (1-share)*(chartHeight-top-bottom) }
	lines := []line{{at(0), "0"}, {at(1), fmt.Sprint(high)}}
	if high%2 == 0 {
		lines = append(lines, line{at(0.5), fmt.Sprint(high / 2)})
	}
	return lines
}

// Marks are the times at which the chart begins and ends, and one in the middle.
func (c chart) Marks() []mark {
	whole := time.Duration(buckets*c.Width) * time.Second
	layout := "15:04"
	if whole < time.Hour {
		layout = "15:04:05"
	}
	return []mark{
		{left, c.Until.Add(-whole).Format(layout), "start"},
		{(left + chartWidth - right) / 2, c.Until.Add(-whole / 2).Format(layout), "middle"},
		{chartWidth - right, c.Until.Format(layout), "end"},
	}
}

// Spans are what the chart can show.
func (c chart) Spans() []span { return spans[:] }

// SpanWords is the span in words.
func (c chart) SpanWords() string {
	for _, s := range spans {
		if s.Name == c.Span {
			return s.Words
		}
	}
	return ""
}

// Summary is what a reader who doesn't see the chart is told.
func (c chart) Summary() string {
	text := fmt.Sprintf("%d connections ended in the last %s.", c.Total, c.SpanWords())
	for i, s := range c.Shown() {
		sep := ","
		if i == 0 {
			sep = " By " + c.By + ":"
		}
		text += fmt.Sprintf("%s %d %s", sep, s.Total, s.Name)
	}
	return text
}
