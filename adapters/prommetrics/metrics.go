package prommetrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/closeguard/ws/adapters/internal/measure"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// Options are what [Metrics] are made with. The zero value is all defaults.
type Options struct {
	// Catalogs have names for close codes of the program's protocol, as those in
	// closeguard's package catalog and in [closeguard.Options].CodeName do. A code with
	// a name counts by its number, as those of the IANA registry do; the others count
	// together as 3xxx or 4xxx. New asks each catalog once for every code from 3000 to
	// 4999, with the zero ConnInfo, so give it all catalogs and not
	// [catalog.BySubprotocol]. One that is nil or names more than 256 codes is an error.
	// Default: none.
	Catalogs []catalog.Names

	// Routes are the routes of [closeguard.ConnInfo] that count apart: with them all
	// metrics of events have the label route, whose value for every other route is
	// "other". A route that is empty, longer than 256 bytes or not printable is an error.
	// Default: none, and no label.
	Routes []string
}

// Metrics is a [closeguard.Observer] that counts and times how connections end. One is
// enough for a program; who wants the connections of several guards told apart gives each
// guard one of its own. All methods may be called at the same time.
type Metrics struct {
	words *measure.Words

	closes, unanswered, repaired, refused counter
	duration, handshake                   histogram
}

var _ closeguard.Observer = (*Metrics)(nil)

// New returns metrics of nothing yet. The options are copied. An error names the option
// that it refuses, the value and why.
func New(opts Options) (*Metrics, error) {
	words, err := measure.NewWords(opts.Catalogs, opts.Routes)
	if err != nil {
		return nil, fmt.Errorf("prommetrics: %w", err)
	}
	return &Metrics{
		words:      words,
		closes:     newCounter(measure.Closes, words),
		unanswered: newCounter(measure.Unanswered, words),
		repaired:   newCounter(measure.Repaired, words),
		refused:    newCounter(measure.Refused, words),
		duration:   newHistogram(measure.Duration, words),
		handshake:  newHistogram(measure.Handshake, words),
	}, nil
}

// Observe counts ev: when it returns, a scrape has it. It ignores what
// [closeguard.Guard.Stats] tells as well.
func (m *Metrics) Observe(_ context.Context, ev closeguard.Event) {
	switch ev := ev.(type) {
	case closeguard.CloseEvent:
		m.ended(m.words.End(ev))
	case *closeguard.Refused:
		m.refused.add(m.words.Refusal(ev))
	}
}

func (m *Metrics) ended(end measure.End) {
	m.closes.add(end.Values)
	m.duration.record(end.Duration, end.Values)
	if end.Handshake > 0 {
		m.handshake.record(end.Handshake, end.Values)
	}
	if end.Unanswered {
		m.unanswered.add(end.Values)
	}
	if end.Repaired != "" {
		end.Values[measure.Code] = end.Repaired
		m.repaired.add(end.Values)
	}
}

// counter is a metric that only grows.
type counter struct {
	vec    *prometheus.CounterVec
	labels []measure.Label
}

func newCounter(metric measure.Metric, words *measure.Words) counter {
	labels := words.LabelsOf(metric)
	return counter{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metric.Prometheus(),
		Help: metric.Text,
	}, names(labels)), labels}
}

func (c *counter) add(values measure.Values) {
	var words [measure.NumLabels]string
	c.vec.WithLabelValues(values.Append(words[:0], c.labels)...).Inc()
}

// histogram is a metric of times, with native buckets for servers that take them and
// classic ones for the others.
type histogram struct {
	vec    *prometheus.HistogramVec
	labels []measure.Label
}

func newHistogram(metric measure.Metric, words *measure.Words) histogram {
	labels := words.LabelsOf(metric)
	return histogram{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                            metric.Prometheus(),
		Help:                            metric.Text,
		Buckets:                         metric.Buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  160,
		NativeHistogramMinResetDuration: time.Hour,
	}, names(labels)), labels}
}

func (h *histogram) record(d time.Duration, values measure.Values) {
	var words [measure.NumLabels]string
	h.vec.WithLabelValues(values.Append(words[:0], h.labels)...).Observe(d.Seconds())
}

// names are the labels' names.
func names(labels []measure.Label) []string {
	all := make([]string, len(labels))
	for i, l := range labels {
		all[i] = l.Prometheus()
	}
	return all
}
