package otelmetrics_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/closeguard/ws/adapters/internal/measure"
)

// read returns what a reader has, in Prometheus' text format and under the names of
// prommetrics, so that the two can be compared.
func read(t testing.TB, reader *metric.ManualReader) string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, scope := range all.ScopeMetrics {
		if scope.Scope.Name != "github.com/closeguard/ws/adapters/otelmetrics" {
			t.Errorf("the scope %q", scope.Scope.Name)
		}
		for _, m := range scope.Metrics {
			write(t, &text, m)
		}
	}
	return text.String()
}

func write(t testing.TB, text *strings.Builder, m metricdata.Metrics) {
	t.Helper()
	name := strings.ReplaceAll(m.Name, ".", "_")
	head := func(kind string) { fmt.Fprintf(text, "# HELP %s %s\n# TYPE %s %s\n", name, m.Description, name, kind) }
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		kind := "gauge"
		if data.IsMonotonic {
			kind = "counter"
			name += "_total"
		}
		if m.Unit != "{connection}" && m.Unit != "{request}" {
			t.Errorf("%s has the unit %s", name, m.Unit)
		}
		head(kind)
		for _, p := range data.DataPoints {
			fmt.Fprintf(text, "%s%s %d\n", name, labels(t, p.Attributes), p.Value)
		}
	case metricdata.Histogram[float64]:
		if m.Unit != "s" {
			t.Errorf("%s has the unit %s", name, m.Unit)
		}
		name += "_seconds"
		head("histogram")
		for _, p := range data.DataPoints {
			sum := uint64(0)
			for i, n := range p.BucketCounts {
				sum += n
				bound := "+Inf"
				if i < len(p.Bounds) {
					bound = number(p.Bounds[i])
				}
				fmt.Fprintf(text, "%s_bucket%s %d\n", name, labels(t, p.Attributes, `le="`+bound+`"`), sum)
			}
			fmt.Fprintf(text, "%s_sum%s %s\n", name, labels(t, p.Attributes), number(p.Sum))
			fmt.Fprintf(text, "%s_count%s %d\n", name, labels(t, p.Attributes), p.Count)
		}
	default:
		t.Errorf("%s is %T", name, data)
	}
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// labels are attributes in braces, and behind them others.
func labels(t testing.TB, set attribute.Set, others ...string) string {
	t.Helper()
	var all []string
	for _, pair := range set.ToSlice() {
		all = append(all, fmt.Sprintf("%s=%q", labelOf(t, string(pair.Key)).Prometheus(), pair.Value.AsString()))
	}
	slices.Sort(all)
	if all = append(all, others...); len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

// labelOf finds the label of an attribute.
func labelOf(t testing.TB, key string) measure.Label {
	t.Helper()
	for l := range measure.Label(measure.NumLabels) {
		if l.OpenTelemetry() == key {
			return l
		}
	}
	t.Fatalf("the attribute %q", key)
	return 0
}
