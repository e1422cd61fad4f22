package otelmetrics

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/closeguard/ws/adapters/internal/measure"
)

// attributes are those of one metric. A set is made once for each words that there are, of
// which there are few, because making it allocates.
type attributes struct {
	labels []measure.Label

	mu   sync.RWMutex
	sets map[measure.Values]*options
}

// options are a set of attributes as the metrics' methods take it.
type options struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// of returns the options for some words.
func (a *attributes) of(values measure.Values) *options {
	a.mu.RLock()
	made := a.sets[values]
	a.mu.RUnlock()
	if made != nil {
		return made
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if made := a.sets[values]; made != nil {
		return made
	}
	pairs := make([]attribute.KeyValue, len(a.labels))
	for i, l := range a.labels {
		pairs[i] = attribute.String(l.OpenTelemetry(), values[l])
	}
	set := metric.WithAttributeSet(attribute.NewSet(pairs...))
	made = &options{add: []metric.AddOption{set}, record: []metric.RecordOption{set}}
	if a.sets == nil {
		a.sets = make(map[measure.Values]*options)
	}
	a.sets[values] = made
	return made
}
