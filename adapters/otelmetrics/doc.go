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
// The values of attributes come from lists that the program or closeguard has made.
// Reasons, paths and codes that peers make up are in no attribute of a metric and make no
// series. In traces a code is a number, and a reason is not told.
//
// # Traces
//
// An end is the event "closeguard.closed" of the span in the context of the connection's
// request, as it came to the guard, with the kind, the code and the cause. A span takes
// events until it ends. That of an HTTP server's instrumentation, such as otelhttp, ends
// when the handler returns, at about the moment at which the guard tells of the end: it is
// luck whether the event comes in time. There are two ways to be sure:
//
//   - With Options.TracerProvider each connection has a span of its own below that one,
//     from the 101 to the end, which always has the event.
//   - A middleware of the program's around the guard begins the request's span, and an
//     observer behind the Metrics ends it. The example of Metrics.Observe shows how.
package otelmetrics
