// Package prommetrics counts and times the ends of WebSockets for Prometheus. A
// [Metrics] is told the events of a [closeguard.Guard], and its Collector is what a
// registry scrapes:
//
//	metrics, err := prommetrics.New(prommetrics.Options{})
//	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{metrics}})
//	prometheus.MustRegister(metrics.Collector(guard))
//
// The metrics, and what they are good for, stand in docs/metrics.md. They are those of
// package otelmetrics, under the names that exporters of OpenTelemetry give them.
//
// The values of labels come from lists that the program or closeguard has made. Reasons,
// paths and codes that peers make up are in no label and make no series.
package prommetrics
