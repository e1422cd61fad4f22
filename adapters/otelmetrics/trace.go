package otelmetrics

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/closeguard/ws/adapters/internal/measure"
	"github.com/closeguard/ws/closeguard"
)

// closed is the name of the event that a span has of an end.
const closed = "closeguard.closed"

// trace tells the trace of an end, if there is a span that takes it.
func (m *Metrics) trace(ctx context.Context, ev closeguard.CloseEvent, duration time.Duration) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		addEvent(span, ev)
	}
	if m.tracer == nil {
		return
	}
	now := time.Now()
	_, span := m.tracer.Start(ctx, "websocket", trace.WithTimestamp(now.Add(-duration)))
	if span.IsRecording() {
		addEvent(span, ev, trace.WithTimestamp(now))
	}
	span.End(trace.WithTimestamp(now))
}

// addEvent adds an end to a span. The code is the very number: spans are no series.
func addEvent(span trace.Span, ev closeguard.CloseEvent, options ...trace.EventOption) {
	span.AddEvent(closed, append(options, trace.WithAttributes(
		attribute.String(measure.Kind.OpenTelemetry(), ev.Kind()),
		attribute.Int(measure.Code.OpenTelemetry(), int(ev.Code())),
		attribute.String(measure.Cause.OpenTelemetry(), ev.Cause().String()),
	))...)
}
