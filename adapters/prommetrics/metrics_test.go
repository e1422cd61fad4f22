package prommetrics_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/closeguard/ws/adapters/internal/metrictest"
	"github.com/closeguard/ws/adapters/prommetrics"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
	"github.com/closeguard/ws/closeguard/closetest"
)

// newMetrics returns metrics with these options.
func newMetrics(t testing.TB, opts prommetrics.Options) *prommetrics.Metrics {
	t.Helper()
	metrics, err := prommetrics.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return metrics
}

// register returns a registry that has the metrics, and those of guards.
func register(metrics *prommetrics.Metrics, guards ...*closeguard.Guard) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.Collector(guards...))
	return registry
}

// gather returns what a registry has.
func gather(t testing.TB, registry prometheus.Gatherer) []*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// scrape returns what a server of Prometheus gets.
func scrape(t testing.TB, registry prometheus.Gatherer) string {
	t.Helper()
	var text bytes.Buffer
	for _, family := range gather(t, registry) {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	return text.String()
}

// Each way to end counts as what it is, and the names are those that Prometheus wants.
func TestScrape(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{Catalogs: metrictest.Catalogs()})
	metrictest.Play(t, metrics, func(guard *closeguard.Guard) {
		registry := register(metrics, guard)
		if got := scrape(t, registry); got != metrictest.Scrape {
			metrictest.Compare(t, got, metrictest.Scrape)
			t.Errorf("the scrape is\n%s", got)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}

// Each time is in native buckets, for servers that take them, and in classic ones.
func TestHistogramsAreNativeAndClassic(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{})
	metrictest.Play(t, metrics, func(guard *closeguard.Guard) {
		found := 0
		for _, family := range gather(t, register(metrics, guard)) {
			for _, m := range family.GetMetric() {
				h := m.GetHistogram()
				if h == nil {
					continue
				}
				found++
				if h.GetSchema() != 3 || h.GetSampleCount() == 0 || len(h.GetPositiveDelta()) == 0 || len(h.GetBucket()) != 12 {
					t.Errorf("%s is %v", family.GetName(), h)
				}
			}
		}
		if found != 5 {
			t.Errorf("%d histograms", found)
		}
	})
}

// Nothing is lost when 10,000 connections end at one moment, while somebody scrapes.
func TestStorm(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{})
	registry := register(metrics)
	var told atomic.Int64
	guard := metrictest.Storm(t, 10_000, closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
		metrics.Observe(ctx, ev)
		if told.Add(1)%1000 == 0 {
			registry.Gather()
		}
	}))
	text := scrape(t, register(metrics, guard))
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

// How much longer the 99th of 100 ends takes with all observers than without, at 10,000
// ends in a second: the median of 15 pairs. A single pair says little, since a collection
// of garbage is longer than most ends. It is for a quiet machine.
func BenchmarkSlowdown(b *testing.B) {
	for b.Loop() {
		var ratios []float64
		for range 15 {
			ratios = append(ratios, metrictest.Slowdown(b, 10_000, newMetrics(b, prommetrics.Options{})))
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[3], "p99-ratio-low")
		b.ReportMetric(ratios[7], "p99-ratio")
		b.ReportMetric(ratios[11], "p99-ratio-high")
	}
}

// When Observe returns the next scrape has the event. It is made here without goroutines,
// which would give others time.
func TestObserveCounts(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{})
	collector := metrics.Collector()
	for i := range 100 {
		metrics.Observe(t.Context(), &closeguard.Dropped{})
		scraped := make(chan prometheus.Metric, 100)
		collector.Collect(scraped)
		close(scraped)
		ends := uint64(0)
		for metric := range scraped {
			var m dto.Metric
			if err := metric.Write(&m); err != nil {
				t.Fatal(err)
			}
			ends += m.GetHistogram().GetSampleCount()
		}
		if ends != uint64(i+1) {
			t.Fatalf("%d ends, want %d", ends, i+1)
		}
	}
}

// An event allocates nothing once one with the same words was there.
func TestObserveAllocates(t *testing.T) {
	var events closetest.Recorder
	metrictest.Play(t, &events, func(*closeguard.Guard) {})
	metrics := newMetrics(t, prommetrics.Options{Routes: []string{"/read"}})
	for _, ev := range events.Events() {
		if n := testing.AllocsPerRun(100, func() { metrics.Observe(context.Background(), ev) }); n > 0 {
			t.Errorf("%v: %v allocations", ev, n)
		}
	}
}

// Peers can choose what they like: that makes no series and is in no output.
func TestHostilePeers(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{Catalogs: metrictest.Catalogs(), Routes: []string{"/chat"}})
	observe := func(ev closeguard.Event) { metrics.Observe(context.Background(), ev) }
	metrictest.Flood(1, observe)
	before := scrape(t, register(metrics))
	metrictest.Flood(2, observe)
	after := scrape(t, register(metrics))
	metrictest.Harmless(t, after)
	if n, m := strings.Count(before, "\n"), strings.Count(after, "\n"); n != m || m > 400 {
		t.Errorf("%d lines, and %d after as many events more", n, m)
	}
}

// Routes count apart only if they are asked for, and only those.
func TestRoutes(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{Routes: []string{"/bye"}})
	metrictest.Play(t, metrics, func(guard *closeguard.Guard) {
		text := scrape(t, register(metrics, guard))
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

// Guards are added up in one collector, and told apart by a label of their own.
func TestSeveralGuards(t *testing.T) {
	together := newMetrics(t, prommetrics.Options{})
	one, two := metrictest.Storm(t, 4, together), metrictest.Storm(t, 8, together)
	text := scrape(t, register(together, one, two))
	if want := "\ncloseguard_opened_connections_total 12\n"; !strings.Contains(text, want) {
		t.Errorf("no %s in\n%s", want, text)
	}

	registry := prometheus.NewRegistry()
	for name, n := range map[string]int{"one": 4, "two": 8} {
		apart := newMetrics(t, prommetrics.Options{})
		guard := metrictest.Storm(t, n, apart)
		prometheus.WrapRegistererWith(prometheus.Labels{"guard": name}, registry).MustRegister(apart.Collector(guard))
	}
	text = scrape(t, registry)
	for _, line := range []string{
		`closeguard_opened_connections_total{guard="one"} 4`,
		`closeguard_connection_duration_seconds_count{guard="two",kind="dropped"} 2`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// Options that make no sense are errors that name them.
func TestOptions(t *testing.T) {
	everything := func(closeguard.ConnInfo, closeguard.Code) string { return "a name" }
	for name, tt := range map[string]struct {
		opts prommetrics.Options
		want string
	}{
		"an empty route": {
			prommetrics.Options{Routes: []string{"/", ""}},
			`prommetrics: Options.Routes[1] is "": must not be empty`,
		},
		"a route that would fool a terminal": {
			prommetrics.Options{Routes: []string{"/\x1b[2J"}},
			`prommetrics: Options.Routes[0] is "/\x1b[2J": must have printable characters only`,
		},
		"a route in Latin-1": {
			prommetrics.Options{Routes: []string{"/caf\xe9"}},
			`prommetrics: Options.Routes[0] is "/caf\xe9": must be UTF-8`,
		},
		"no catalog": {
			prommetrics.Options{Catalogs: []catalog.Names{nil}},
			`prommetrics: Options.Catalogs[0] is nil: must not be`,
		},
		"a catalog of everything": {
			prommetrics.Options{Catalogs: []catalog.Names{catalog.GraphQL, everything}},
			`prommetrics: Options.Catalogs[1] has names for 2000 codes: must be at most 256, each is a value of a label`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if metrics, err := prommetrics.New(tt.opts); metrics != nil || err == nil || err.Error() != tt.want {
				t.Errorf("%v, %v, want %s", metrics, err, tt.want)
			}
		})
	}
}

func TestNoGuardIsAPanic(t *testing.T) {
	defer func() {
		if v := recover(); v != "prommetrics: Collector: guards[0] is nil" {
			t.Error(v)
		}
	}()
	newMetrics(t, prommetrics.Options{}).Collector(nil)
}
