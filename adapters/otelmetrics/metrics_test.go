package otelmetrics_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/closeguard/ws/adapters/internal/metrictest"
	"github.com/closeguard/ws/adapters/otelmetrics"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
	"github.com/closeguard/ws/closeguard/closetest"
)

// newMetrics returns metrics with these options, and who reads them.
func newMetrics(t testing.TB, opts otelmetrics.Options) (*otelmetrics.Metrics, *metric.ManualReader) {
	t.Helper()
	reader := metric.NewManualReader()
	opts.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
	metrics, err := otelmetrics.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return metrics, reader
}

// register adds the metrics of guards.
func register(t testing.TB, metrics *otelmetrics.Metrics, guards ...*closeguard.Guard) {
	t.Helper()
	if _, err := metrics.Register(guards...); err != nil {
		t.Fatal(err)
	}
}

// Each way to end counts as what it is: that is what prommetrics tells.
func TestReading(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{Catalogs: metrictest.Catalogs()})
	metrictest.Play(t, metrics, func(guard *closeguard.Guard) {
		register(t, metrics, guard)
		metrictest.Compare(t, read(t, reader), metrictest.Scrape)
	})
}

// Nothing is lost when 10,000 connections end at one moment, while somebody reads.
func TestStorm(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{})
	var told atomic.Int64
	guard := metrictest.Storm(t, 10_000, closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
		metrics.Observe(ctx, ev)
		if told.Add(1)%1000 == 0 {
			reader.Collect(ctx, new(metricdata.ResourceMetrics))
		}
	}))
	register(t, metrics, guard)
	text := read(t, reader)
	for _, line := range []string{
		`closeguard_opened_connections_total 10000`,
		`closeguard_open_connections 0`,
		`closeguard_closes_total{cause="none",code="1001",initiator="peer",kind="peer_closed"} 2500`,
		`closeguard_closes_total{cause="none",code="3xxx",initiator="peer",kind="peer_closed"} 1250`,
		`closeguard_closes_total{cause="none",code="4xxx",initiator="peer",kind="peer_closed"} 1250`,
		`closeguard_closes_total{cause="eof",code="1006",initiator="transport",kind="dropped"} 2500`,
		`closeguard_closes_total{cause="none",code="1000",initiator="local",kind="local_closed"} 2500`,
		`closeguard_connection_duration_seconds_count{kind="peer_closed"} 5000`,
		`closeguard_connection_duration_seconds_count{kind="dropped"} 2500`,
		`closeguard_connection_duration_seconds_count{kind="local_closed"} 2500`,
		`closeguard_closing_handshake_duration_seconds_count{kind="peer_closed"} 5000`,
		`closeguard_closing_handshake_duration_seconds_count{kind="local_closed"} 2500`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// When Observe returns the next reading has the event.
func TestObserveCounts(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{})
	for i := range 100 {
		metrics.Observe(t.Context(), &closeguard.Dropped{})
		want := fmt.Sprintf("closeguard_closes_total{cause=\"none\",code=\"1006\",initiator=\"transport\",kind=\"dropped\"} %d\n", i+1)
		if text := read(t, reader); !strings.Contains(text, want) {
			t.Fatalf("no %s in\n%s", want, text)
		}
	}
}

// An event allocates nothing once one with the same words was there, unless a span takes it.
func TestObserveAllocates(t *testing.T) {
	var events closetest.Recorder
	metrictest.Play(t, &events, func(*closeguard.Guard) {})
	metrics, _ := newMetrics(t, otelmetrics.Options{Routes: []string{"/read"}})
	for _, ev := range events.Events() {
		if n := testing.AllocsPerRun(100, func() { metrics.Observe(context.Background(), ev) }); n > 0 {
			t.Errorf("%v: %v allocations", ev, n)
		}
	}
}

// Peers can choose what they like: that makes no series and is in no output.
func TestHostilePeers(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{Catalogs: metrictest.Catalogs(), Routes: []string{"/chat"}})
	observe := func(ev closeguard.Event) { metrics.Observe(context.Background(), ev) }
	metrictest.Flood(1, observe)
	before := read(t, reader)
	metrictest.Flood(2, observe)
	after := read(t, reader)
	metrictest.Harmless(t, after)
	if n, m := strings.Count(before, "\n"), strings.Count(after, "\n"); n != m || m > 400 {
		t.Errorf("%d lines, and %d after as many events more", n, m)
	}
}

// Routes count apart only if they are asked for, and only those.
func TestRoutes(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{Routes: []string{"/bye"}})
	metrictest.Play(t, metrics, func(guard *closeguard.Guard) {
		register(t, metrics, guard)
		text := read(t, reader)
		for _, line := range []string{
			`closeguard_unanswered_closes_total{kind="local_closed",route="/bye"} 1`,
			`closeguard_refused_upgrades_total{cause="program",route="other",status="4xx"} 1`,
			`closeguard_repaired_closes_total{code="1006",route="other"} 1`,
			`closeguard_connection_duration_seconds_count{kind="local_closed",route="/bye"} 2`,
			`closeguard_connection_duration_seconds_count{kind="peer_closed",route="other"} 10`,
		} {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("no %s in\n%s", line, text)
			}
		}
	})
}

// Guards are added up in one registration, until that ends.
func TestSeveralGuards(t *testing.T) {
	metrics, reader := newMetrics(t, otelmetrics.Options{})
	one, two := metrictest.Storm(t, 4, metrics), metrictest.Storm(t, 8, metrics)
	registration, err := metrics.Register(one, two)
	if err != nil {
		t.Fatal(err)
	}
	const sum = "closeguard_opened_connections_total 12\n"
	if text := read(t, reader); !strings.Contains(text, sum) {
		t.Errorf("no %s in\n%s", sum, text)
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	if text := read(t, reader); strings.Contains(text, sum) {
		t.Errorf("still %s in\n%s", sum, text)
	}
}

// Without a MeterProvider the metrics are the global one's.
func TestTheGlobalMeterProvider(t *testing.T) {
	reader := metric.NewManualReader()
	before := otel.GetMeterProvider()
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	metrics, err := otelmetrics.New(otelmetrics.Options{})
	if err != nil {
		t.Fatal(err)
	}
	metrictest.Storm(t, 4, metrics)
	if text := read(t, reader); !strings.Contains(text, `closeguard_connection_duration_seconds_count{kind="dropped"} 1`) {
		t.Errorf("it has\n%s", text)
	}
}

// Options that make no sense are errors that name them.
func TestOptions(t *testing.T) {
	everything := func(closeguard.ConnInfo, closeguard.Code) string { return "a name" }
	for name, tt := range map[string]struct {
		opts otelmetrics.Options
		want string
	}{
		"an empty route": {
			otelmetrics.Options{Routes: []string{"/", ""}},
			`otelmetrics: Options.Routes[1] is "": must not be empty`,
		},
		"a catalog of everything": {
			otelmetrics.Options{Catalogs: []catalog.Names{catalog.GraphQL, everything}},
			`otelmetrics: Options.Catalogs[1] has names for 2000 codes: must be at most 256, each is a value of a label`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if metrics, err := otelmetrics.New(tt.opts); metrics != nil || err == nil || err.Error() != tt.want {
				t.Errorf("%v, %v, want %s", metrics, err, tt.want)
			}
		})
	}
}

func TestNoGuardIsAnError(t *testing.T) {
	metrics, _ := newMetrics(t, otelmetrics.Options{})
	if _, err := metrics.Register(nil); err == nil || err.Error() != "otelmetrics: Register: guards[0] is nil" {
		t.Error(err)
	}
}
