package prommetrics_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/adapters/internal/metrictest"
)

const (
	alerts    = "../../docs/prometheus/alerts.yml"
	dashboard = "../../docs/grafana/closeguard.json"
)

// series are the names in metrictest.Scrape, of each its labels, of each its values.
func series() map[string]map[string][]string {
	all := make(map[string]map[string][]string)
	for _, sample := range regexp.MustCompile(`(?m)^(closeguard_\w+)(\{.*\})? `).FindAllStringSubmatch(metrictest.Scrape, -1) {
		name, labels := sample[1], sample[2]
		if all[name] == nil {
			all[name] = make(map[string][]string)
		}
		for _, label := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(labels, -1) {
			all[name][label[1]] = append(all[name][label[1]], label[2])
		}
	}
	return all
}

// read is a document as a text.
func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A panel of the dashboard, as far as queries go.
type panel struct {
	Title   string
	Targets []struct{ Expr, LegendFormat string }
}

// panels are the dashboard's, with what it puts into queries.
func panels(t testing.TB) []panel {
	t.Helper()
	var board struct{ Panels []panel }
	filled := strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "1m").Replace(read(t, dashboard))
	if err := json.Unmarshal([]byte(filled), &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < 10 {
		t.Fatalf("only %d panels", len(board.Panels))
	}
	return board.Panels
}

// The table of docs/metrics.md has every metric with its type, its labels and what a
// scrape says of it.
func TestTheDocumentationHasEveryMetric(t *testing.T) {
	doc := read(t, "../../docs/metrics.md")
	all := series()
	heads := regexp.MustCompile(`(?m)^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$`).FindAllStringSubmatch(metrictest.Scrape, -1)
	for _, head := range heads {
		name, help, kind := head[1], head[2], head[3]
		of := all[name]
		if kind == "histogram" {
			of = all[name+"_count"]
		}
		var labels []string
		for _, l := range []string{"kind", "cause", "initiator", "code", "status"} {
			if of[l] != nil {
				labels = append(labels, "`"+l+"`")
			}
		}
		row := "| `" + name + "` | " + kind + " | " + strings.Join(labels, ", ") + " | "
		meaning := strings.TrimSuffix(help, ".") + " |\n"
		if !strings.Contains(doc, "\n"+row+meaning) {
			t.Errorf("docs/metrics.md should have\n%s%s", row, meaning)
		}
	}
	if n := len(regexp.MustCompile("(?m)^\\| `closeguard_").FindAllString(doc, -1)); n != len(heads) {
		t.Errorf("docs/metrics.md has %d metrics, there are %d", n, len(heads))
	}
}

// What the dashboard and the alerts ask for is there: metrics, labels and their values.
func TestQueriesAskForWhatThereIs(t *testing.T) {
	texts := map[string]string{"alerts.yml": read(t, alerts)}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			texts[p.Title+": "+target.Expr] = target.Expr
			for _, name := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !regexp.MustCompile(`by \([^)]*\b` + name[1] + `\b[^)]*\)`).MatchString(target.Expr) {
					t.Errorf("%s: the legend has %s, and the query doesn't", p.Title, name[1])
				}
			}
		}
	}
	all := series()
	asked := make(map[string]bool)
	for name, text := range texts {
		for _, m := range regexp.MustCompile(`\b(closeguard_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(text, -1) {
			metric := m[1]
			labels := all[metric]
			if labels == nil {
				t.Errorf("%s: there is no %s", name, metric)
				continue
			}
			asked[regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(metric, "")] = true
			for _, l := range regexp.MustCompile(`(\w+)=(~?)"([^"]*)"`).FindAllStringSubmatch(m[2], -1) {
				if l[1] != "job" && l[1] != "instance" && !slices.Contains(labels[l[1]], l[3]) {
					t.Errorf("%s: %s has no %s %q", name, metric, l[1], l[3])
				}
			}
			for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
				for _, l := range strings.Split(by[1], ", ") {
					if l != "job" && labels[l] == nil {
						t.Errorf("%s: %s has no %s", name, metric, l)
					}
				}
			}
		}
	}
	for name := range maps.Keys(all) {
		if name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, ""); !asked[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}
