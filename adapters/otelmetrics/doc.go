// Package otelmetrics counts and times the ends of WebSockets for OpenTelemetry, and
// tells traces of them. A [Metrics] is told the events of a [closeguard.Guard]:
//
//	metrics, err := otelmetrics.New(otelmetrics.Options{})
//	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{metrics}})
//	registration, err := metrics.Register(guard)
//
// The metrics, and what they are good for, stand in docs/metrics.md. They are those of
// package prommetrics: exporters to Prometheus give them the same names, and the labels
// closeguard_kind, closeguard_cause and so on.
//
// The values of attributes come from lists that the program or closeguard has made. What
// peers choose, such as codes, reasons and paths, makes no series and is in no attribute
// of a metric. In traces a code is a number, and a reason is not told.
//
// # Traces
//
// An end is the event "closeguard.closed" of the span in the context of the connection's
// request, as it came to the guard, with the kind, the code and the cause. A span takes
// events until it ends, and the span of an HTTP server's instrumentation, such as
// otelhttp, ends when the handler returns: as a rule right before the guard tells of the
// end, so that the event is lost. With Options.TracerProvider each connection has a span
// of its own below that one, from the 101 to the end, and the event always lands there.
// To keep the span of the request open instead, begin it in a middleware of your own
// around the guard, and end it in an observer that stands behind the Metrics: the example
// of Metrics.Observe shows how.
package otelmetrics
