package debug

import (
	"fmt"
	"slices"
	"time"
)

// The chart's measures, in the units of its viewBox, which is stretched.
const (
	chartHeight = 100
	pitch       = 10 // from one bucket to the next
	gap         = 2
	colours     = 8 // the style has so many, and the last is for what is left
)

// bar is the endings of one kind in one bucket.
type bar struct {
	X      int
	Y, H   float64
	Colour int
	Words  string
}

// Shown are the series that have colours of their own, and one for the others. A series
// keeps its colour whatever its rank is, where no other one has the same.
func (c chart) Shown() []series {
	shown := slices.Clone(c.Series[:min(len(c.Series), colours-1)])
	byID := make([]*series, len(shown))
	for i := range shown {
		byID[i] = &shown[i]
	}
	slices.SortFunc(byID, func(a, b *series) int { return a.id - b.id })
	var taken [colours - 1]bool
	for _, s := range byID {
		s.Colour = s.id % len(taken)
		for taken[s.Colour] {
			s.Colour = (s.Colour + 1) % len(taken)
		}
		taken[s.Colour] = true
	}
	if len(shown) == len(c.Series) {
		return shown
	}
	rest := series{Name: fmt.Sprintf("%d more", len(c.Series)-len(shown)), Counts: make([]uint32, buckets), Colour: colours - 1}
	for _, s := range c.Series[len(shown):] {
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

// scale is the value of the topmost line: 2, 4, 10, 20, 40, 100 and so on.
func scale(most uint32) uint32 {
	for unit := uint32(1); ; unit *= 10 {
		for _, n := range []uint32{2, 4, 10} {
			if n*unit >= most || unit >= 1e9 {
				return n * unit
			}
		}
	}
}

// Bars are those of the chart.
func (c chart) Bars() []bar {
	high := float64(scale(c.highest()))
	var bars []bar
	var stacked [buckets]float64
	for _, s := range c.Shown() {
		for i, n := range s.Counts {
			if n == 0 {
				continue
			}
			h := float64(n) / high * chartHeight
			stacked[i] += h
			bars = append(bars, bar{i*pitch + gap/2, chartHeight - stacked[i], h, s.Colour, fmt.Sprintf("%s %s: %d", c.from(i).Format("15:04:05"), s.Name, n)})
		}
	}
	return bars
}

// from is when a bucket begins.
func (c chart) from(bucket int) time.Time {
	return c.Until.Add(-time.Duration((buckets-bucket)*c.Width) * time.Second)
}

// Scale is what stands beside the lines, from the top.
func (c chart) Scale() []string {
	high := float64(scale(c.highest()))
	return []string{fmt.Sprint(high), fmt.Sprint(high / 2), "0"}
}

// Times are when the chart begins and ends, and one in the middle.
func (c chart) Times() []string {
	layout := "15:04"
	if c.Width < 60 {
		layout = "15:04:05"
	}
	return []string{c.from(0).Format(layout), c.from(buckets / 2).Format(layout), c.Until.Format(layout)}
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
		r := row{From: c.from(i)}
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
