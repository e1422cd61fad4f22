package prommetrics

import (
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/closeguard/ws/adapters/internal/measure"
	"github.com/closeguard/ws/closeguard"
)

// Collector returns the metrics and those of the guards' connections, which it asks for
// at each scrape, to be registered once. The numbers of several guards are added up. A
// nil guard is a panic.
//
// To tell guards apart register the collector of each with a label:
//
//	prometheus.WrapRegistererWith(prometheus.Labels{"guard": "chat"}, registry)
func (m *Metrics) Collector(guards ...*closeguard.Guard) prometheus.Collector {
	if i := slices.Index(guards, nil); i >= 0 {
		panic(fmt.Sprintf("prommetrics: Collector: guards[%d] is nil", i))
	}
	return &collector{m, slices.Clone(guards)}
}

type collector struct {
	metrics *Metrics
	guards  []*closeguard.Guard
}

// stats are the metrics that come from a guard's Stats.
var stats = []struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(closeguard.Stats) float64
}{
	{desc(measure.Open), prometheus.GaugeValue, func(s closeguard.Stats) float64 { return float64(s.Open) }},
	{desc(measure.Closing), prometheus.GaugeValue, func(s closeguard.Stats) float64 { return float64(s.Closing) }},
	{desc(measure.Draining), prometheus.GaugeValue, func(s closeguard.Stats) float64 { return float64(s.Draining) }},
	{desc(measure.Opened), prometheus.CounterValue, func(s closeguard.Stats) float64 { return float64(s.Opened) }},
}

func desc(m measure.Metric) *prometheus.Desc {
	return prometheus.NewDesc(m.Prometheus(), m.Text, nil, nil)
}

// ofEvents are the metrics that events are counted in.
func (m *Metrics) ofEvents() []prometheus.Collector {
	return []prometheus.Collector{
		m.closes.vec, m.unanswered.vec, m.repaired.vec, m.refused.vec, m.duration.vec, m.handshake.vec,
	}
}

// Describe sends what there is.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, s := range stats {
		to <- s.desc
	}
	for _, m := range c.metrics.ofEvents() {
		m.Describe(to)
	}
}

// Collect sends the numbers of this moment.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	sums := make([]float64, len(stats))
	for _, g := range c.guards {
		now := g.Stats() // once, so that the numbers are of one moment
		for i, s := range stats {
			sums[i] += s.of(now)
		}
	}
	for i, s := range stats {
		to <- prometheus.MustNewConstMetric(s.desc, s.kind, sums[i])
	}
	for _, m := range c.metrics.ofEvents() {
		m.Collect(to)
	}
}
