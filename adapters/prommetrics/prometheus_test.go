package prommetrics_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/closeguard/ws/adapters/internal/metrictest"
	"github.com/closeguard/ws/adapters/prommetrics"
	"github.com/closeguard/ws/closeguard"
)

// program finds one of Debian's package prometheus.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skipf("%s is not installed: make setup", name)
	return ""
}

// Prometheus reads the alerts, they tell when they shall and not when they shall not, and
// it reads the queries of the dashboard.
func TestPromtool(t *testing.T) {
	promtool := program(t, "promtool")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, p := range panels(t) {
		for j, target := range p.Targets {
			fmt.Fprintf(&rules, "      - record: panel_%d_%d\n        expr: %q\n", i, j, target.Expr)
		}
	}
	queries := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(queries, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", alerts, queries}, {"test", "rules", "testdata/alerts_test.yml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// A Prometheus that scrapes the metrics runs the alerts, and has an answer to every query
// of the dashboard; with native histograms it takes those.
func TestPrometheus(t *testing.T) {
	metrics := newMetrics(t, prommetrics.Options{})
	var guard *closeguard.Guard
	metrictest.Play(t, metrics, func(g *closeguard.Guard) { guard = g })
	target := httptest.NewServer(promhttp.HandlerFor(register(metrics, guard), promhttp.HandlerOpts{}))
	t.Cleanup(target.Close)
	var queries []string
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	for name, tt := range map[string]struct {
		flags, queries []string
	}{
		"classic histograms": {nil, queries},
		"native histograms": {
			[]string{"--enable-feature=native-histograms"},
			[]string{"histogram_quantile(0.9, sum by (kind) (rate(closeguard_connection_duration_seconds[1m])))"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for some seconds
			server := startPrometheus(t, strings.TrimPrefix(target.URL, "http://"), tt.flags...)
			for _, query := range tt.queries {
				server.await(t, "query?query="+url.QueryEscape(query), func(answer data) bool { return len(answer.Result) > 0 })
			}
			server.await(t, "rules", func(answer data) bool {
				healthy := 0
				for _, group := range answer.Groups {
					for _, rule := range group.Rules {
						if rule.Health == "ok" {
							healthy++
						}
					}
				}
				return healthy == 3
			})
		})
	}
}

// server is the API of a Prometheus.
type server string

// data is what it answers with, as far as the tests look.
type data struct {
	Result []json.RawMessage
	Groups []struct {
		Rules []struct{ Health string }
	}
}

// startPrometheus starts one on the loopback that scrapes the target twice a second.
func startPrometheus(t *testing.T, target string, flags ...string) server {
	t.Helper()
	path := program(t, "prometheus")
	rules, err := filepath.Abs(alerts)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	config := filepath.Join(folder, "prometheus.yml")
	text := fmt.Sprintf(`global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: [%q]
scrape_configs:
  - job_name: chat
    static_configs: [{ targets: [%q] }]
`, rules, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	cmd := exec.Command(path, append(flags, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address="+address)...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("prometheus: %v\n%s", err, log.String())
		}
	})
	return server("http://" + address + "/api/v1/")
}

// await asks until the answer is as wanted.
func (s server) await(t *testing.T, question string, wanted func(data) bool) {
	t.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	over := time.After(30 * time.Second)
	for {
		answer, err := s.ask(question)
		if err == nil && wanted(answer) {
			return
		}
		select {
		case <-again.C:
		case <-over:
			t.Fatalf("%s: %+v, %v", question, answer, err)
		}
	}
}

func (s server) ask(question string) (data, error) {
	resp, err := http.Get(string(s) + question)
	if err != nil {
		return data{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return data{}, err
	}
	var answer struct{ Data data }
	if err := json.Unmarshal(body, &answer); err != nil {
		return data{}, fmt.Errorf("%w: %s", err, body)
	}
	return answer.Data, nil
}
