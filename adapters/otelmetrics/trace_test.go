package otelmetrics_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/closeguard/ws/adapters/internal/metrictest"
	"github.com/closeguard/ws/adapters/otelmetrics"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// newTracer returns a tracer of requests, and who has its spans once they have ended.
func newTracer() (*trace.TracerProvider, *tracetest.InMemoryExporter) {
	spans := tracetest.NewInMemoryExporter()
	return trace.NewTracerProvider(trace.WithSyncer(spans)), spans
}

// played are the close events of metrictest's connections.
func played(t *testing.T) []closeguard.CloseEvent {
	t.Helper()
	var events closetest.Recorder
	metrictest.Play(t, &events, func(*closeguard.Guard) {})
	return events.Closed()
}

// said is what an event of a span tells.
func said(events []trace.Event) (all []string) {
	for _, ev := range events {
		text := ev.Name
		for _, pair := range ev.Attributes {
			text += fmt.Sprintf(" %s=%s", pair.Key, pair.Value.Emit())
		}
		all = append(all, text)
	}
	return all
}

// what is what the event of an end must tell.
func what(ev closeguard.CloseEvent) []string {
	return []string{fmt.Sprintf("closeguard.closed closeguard.kind=%s closeguard.code=%d closeguard.cause=%v", ev.Kind(), int(ev.Code()), ev.Cause())}
}

// A request's span that is still open has the end of its connection.
func TestEventOfTheRequestsSpan(t *testing.T) {
	metrics, _ := newMetrics(t, otelmetrics.Options{})
	for _, ev := range played(t) {
		tracer, spans := newTracer()
		ctx, span := tracer.Tracer("").Start(t.Context(), "GET /ws")
		metrics.Observe(ctx, &closeguard.Opened{})
		metrics.Observe(ctx, ev)
		span.End()
		if got := spans.GetSpans(); len(got) != 1 || !slices.Equal(said(got[0].Events), what(ev)) {
			t.Errorf("%v: %+v, want %s", ev, got, what(ev))
		}
	}
}

// One that has ended has not, and nothing goes wrong.
func TestSpanThatHasEnded(t *testing.T) {
	metrics, _ := newMetrics(t, otelmetrics.Options{})
	tracer, spans := newTracer()
	ctx, span := tracer.Tracer("").Start(t.Context(), "GET /ws")
	span.End()
	metrics.Observe(ctx, played(t)[0])
	if got := spans.GetSpans(); len(got) != 1 || len(got[0].Events) != 0 {
		t.Errorf("%+v", got)
	}
}

// The span of a connection lasts as long as that, is below the request's, and has the end
// whatever became of that one.
func TestSpanOfTheConnection(t *testing.T) {
	for _, ev := range played(t) {
		tracer, spans := newTracer()
		metrics, _ := newMetrics(t, otelmetrics.Options{TracerProvider: tracer})
		ctx, request := tracer.Tracer("").Start(t.Context(), "GET /ws")
		request.End()
		spans.Reset()
		began := time.Now()
		metrics.Observe(ctx, ev)
		got := spans.GetSpans()
		if len(got) != 1 {
			t.Fatalf("%d spans", len(got))
		}
		span := got[0]
		if span.Name != "websocket" || span.Parent.SpanID() != request.SpanContext().SpanID() || !slices.Equal(said(span.Events), what(ev)) {
			t.Errorf("%v: %+v, want %s", ev, span, what(ev))
		}
		if lasted := span.EndTime.Sub(span.StartTime); lasted != ev.End().Duration || span.EndTime.Before(began) ||
			!span.Events[0].Time.Equal(span.EndTime) {
			t.Errorf("%v: it lasted %v", ev, lasted)
		}
	}
}

// A trace that isn't sampled gets nothing, and costs nothing.
func TestUnsampled(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tracer := trace.NewTracerProvider(trace.WithSyncer(spans), trace.WithSampler(trace.NeverSample()))
	metrics, _ := newMetrics(t, otelmetrics.Options{})
	ctx, _ := tracer.Tracer("").Start(t.Context(), "GET /ws")
	ev := played(t)[0]
	if n := testing.AllocsPerRun(100, func() { metrics.Observe(ctx, ev) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// What peers choose gets into no span, but the number of a code.
func TestHostilePeersInTraces(t *testing.T) {
	tracer, spans := newTracer()
	metrics, _ := newMetrics(t, otelmetrics.Options{TracerProvider: tracer})
	events := 0
	metrictest.Flood(1, func(ev closeguard.Event) {
		if events++; events > 2000 {
			return
		}
		ctx, span := tracer.Tracer("").Start(t.Context(), "GET /ws")
		metrics.Observe(ctx, ev)
		span.End()
	})
	for _, span := range spans.GetSpans() {
		metrictest.Harmless(t, span.Name)
		all := slices.Clone(span.Attributes)
		for _, ev := range span.Events {
			metrictest.Harmless(t, ev.Name)
			all = append(all, ev.Attributes...)
		}
		for _, pair := range all {
			metrictest.Harmless(t, string(pair.Key)+pair.Value.Emit())
			if number := pair.Value.Type() == attribute.INT64; number != (pair.Key == "closeguard.code") {
				t.Errorf("%v", pair)
			}
		}
	}
}
