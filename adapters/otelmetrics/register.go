package otelmetrics

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/closeguard/ws/adapters/internal/measure"
	"github.com/closeguard/ws/closeguard"
)

// Register adds the metrics of the guards' connections, which each reading asks the
// guards for, until the registration is ended with its Unregister. The numbers of several
// guards are added up, so register them together and once. An error is about a guard that
// is nil, or is the MeterProvider's.
//
// To tell guards apart give each one Metrics, and their MeterProviders resources or
// readers of their own.
func (m *Metrics) Register(guards ...*closeguard.Guard) (metric.Registration, error) {
	if i := slices.Index(guards, nil); i >= 0 {
		return nil, fmt.Errorf("otelmetrics: Register: guards[%d] is nil", i)
	}
	guards = slices.Clone(guards)
	open, errOpen := m.gauge(measure.Open)
	closing, errClosing := m.gauge(measure.Closing)
	draining, errDraining := m.gauge(measure.Draining)
	opened, errOpened := m.meter.Int64ObservableCounter(measure.Opened.Name,
		metric.WithUnit(measure.Opened.Unit), metric.WithDescription(measure.Opened.Text))
	if err := errors.Join(errOpen, errClosing, errDraining, errOpened); err != nil {
		return nil, fmt.Errorf("otelmetrics: Register: %w", err)
	}
	registration, err := m.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		var sum closeguard.Stats
		for _, g := range guards {
			now := g.Stats() // once, so that the numbers are of one moment
			sum.Open += now.Open
			sum.Closing += now.Closing
			sum.Draining += now.Draining
			sum.Opened += now.Opened
		}
		to.ObserveInt64(open, int64(sum.Open))
		to.ObserveInt64(closing, int64(sum.Closing))
		to.ObserveInt64(draining, int64(sum.Draining))
		to.ObserveInt64(opened, int64(sum.Opened))
		return nil
	}, open, closing, draining, opened)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: Register: %w", err)
	}
	return registration, nil
}

func (m *Metrics) gauge(metr measure.Metric) (metric.Int64ObservableUpDownCounter, error) {
	return m.meter.Int64ObservableUpDownCounter(metr.Name, metric.WithUnit(metr.Unit), metric.WithDescription(metr.Text))
}
