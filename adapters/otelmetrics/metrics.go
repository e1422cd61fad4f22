package otelmetrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/closeguard/ws/adapters/internal/measure"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// scope is the name of the instrumentation.
const scope = "github.com/closeguard/ws/adapters/otelmetrics"

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
	// metrics of events have the attribute http.route, whose value for every other route
	// is "other". A route that is empty, longer than 256 bytes or not printable is an
	// error. Default: none, and no attribute.
	Routes []string

	// MeterProvider takes the metrics. Default nil: the global one.
	MeterProvider metric.MeterProvider

	// TracerProvider takes a span for each connection that has ended, "websocket", below
	// the one in the context of its request. Default nil: there is none.
	TracerProvider trace.TracerProvider
}

// Metrics is a [closeguard.Observer] that counts and times how connections end. One is
// enough for a program; who wants the connections of several guards told apart gives each
// guard one of its own. All methods may be called at the same time.
type Metrics struct {
	words  *measure.Words
	meter  metric.Meter
	tracer trace.Tracer // nil: connections have no span of their own

	closes, unanswered, repaired, refused counter
	duration, handshake                   histogram
}

var _ closeguard.Observer = (*Metrics)(nil)

// New returns metrics of nothing yet. The options are copied. An error names the option
// that it refuses, the value and why, or is the MeterProvider's.
func New(opts Options) (*Metrics, error) {
	words, err := measure.NewWords(opts.Catalogs, opts.Routes)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	provider := opts.MeterProvider
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	m := &Metrics{words: words, meter: provider.Meter(scope)}
	if opts.TracerProvider != nil {
		m.tracer = opts.TracerProvider.Tracer(scope)
	}
	err = errors.Join(
		m.closes.open(m.meter, measure.Closes, words),
		m.unanswered.open(m.meter, measure.Unanswered, words),
		m.repaired.open(m.meter, measure.Repaired, words),
		m.refused.open(m.meter, measure.Refused, words),
		m.duration.open(m.meter, measure.Duration, words),
		m.handshake.open(m.meter, measure.Handshake, words),
	)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	return m, nil
}

// Observe counts ev, and tells the trace of an end: when it returns, a reader has it. It
// ignores what [closeguard.Guard.Stats] tells as well.
func (m *Metrics) Observe(ctx context.Context, ev closeguard.Event) {
	switch ev := ev.(type) {
	case closeguard.CloseEvent:
		end := m.words.End(ev)
		m.ended(ctx, end)
		m.trace(ctx, ev, end.Duration)
	case *closeguard.Refused:
		m.refused.add(ctx, m.words.Refusal(ev))
	}
}

func (m *Metrics) ended(ctx context.Context, end measure.End) {
	m.closes.add(ctx, end.Values)
	m.duration.record(ctx, end.Duration, end.Values)
	if end.Handshake > 0 {
		m.handshake.record(ctx, end.Handshake, end.Values)
	}
	if end.Unanswered {
		m.unanswered.add(ctx, end.Values)
	}
	if end.Repaired != "" {
		end.Values[measure.Code] = end.Repaired
		m.repaired.add(ctx, end.Values)
	}
}

// counter is a metric that only grows.
type counter struct {
	metric.Int64Counter
	attributes attributes
}

func (c *counter) open(meter metric.Meter, m measure.Metric, words *measure.Words) (err error) {
	c.attributes.labels = words.LabelsOf(m)
	c.Int64Counter, err = meter.Int64Counter(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Text))
	return err
}

func (c *counter) add(ctx context.Context, values measure.Values) {
	c.Add(ctx, 1, c.attributes.of(values).add...)
}

// histogram is a metric of times. Which buckets it has a reader may say; these are for
// those that don't.
type histogram struct {
	metric.Float64Histogram
	attributes attributes
}

func (h *histogram) open(meter metric.Meter, m measure.Metric, words *measure.Words) (err error) {
	h.attributes.labels = words.LabelsOf(m)
	h.Float64Histogram, err = meter.Float64Histogram(m.Name, metric.WithUnit(m.Unit), metric.WithDescription(m.Text),
		metric.WithExplicitBucketBoundaries(m.Buckets...))
	return err
}

func (h *histogram) record(ctx context.Context, d time.Duration, values measure.Values) {
	h.Record(ctx, d.Seconds(), h.attributes.of(values).record...)
}
