// Package metrictest ends WebSockets in the ways that prommetrics and otelmetrics have
// metrics for, and knows what the two must tell of them then. It is for tests only.
package metrictest
