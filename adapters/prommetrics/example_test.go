package prommetrics_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/closeguard/ws/adapters/prommetrics"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
	"github.com/closeguard/ws/closeguard/closetest"
)

// listen is a program's handler.
func listen(w http.ResponseWriter, r *http.Request) {
	var upgrader websocket.Upgrader
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// A server with its metrics beside its WebSockets.
func Example() {
	metrics, err := prommetrics.New(prommetrics.Options{
		Catalogs: []catalog.Names{catalog.GraphQL}, // 4400 and the like count by number
		Routes:   []string{"/ws"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{metrics}})
	if err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.Collector(guard))

	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/ws", listen)
	server := httptest.NewServer(guard.Middleware(mux))
	defer server.Close()

	for _, code := range []closeguard.Code{closeguard.GoingAway, 4400, 4711, 4712, 999} {
		peer, err := closetest.Dial(context.Background(), server.URL+"/ws", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		peer.WriteClose(code, "any words")
		peer.ReadToEnd()
	}
	guard.Idle(context.Background()) // until the observers know

	resp, err := http.Get(server.URL + "/metrics")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, "closeguard_closes") || strings.HasPrefix(line, "closeguard_open") {
			fmt.Println(line)
		}
	}
	// Output:
	// closeguard_closes_total{cause="none",code="1001",initiator="peer",kind="peer_closed",route="/ws"} 1
	// closeguard_closes_total{cause="none",code="4400",initiator="peer",kind="peer_closed",route="/ws"} 1
	// closeguard_closes_total{cause="none",code="4xxx",initiator="peer",kind="peer_closed",route="/ws"} 2
	// closeguard_closes_total{cause="protocol_error",code="illegal",initiator="peer",kind="peer_closed",route="/ws"} 1
	// closeguard_open_connections 0
	// closeguard_opened_connections_total 5
}

// Two guards, told apart by a label.
func ExampleMetrics_Collector() {
	registry := prometheus.NewRegistry()
	for _, name := range []string{"chat", "games"} {
		metrics, err := prommetrics.New(prommetrics.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{metrics}})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer guard.Close()
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"guard": name}, registry)
		labelled.MustRegister(metrics.Collector(guard))
	}

	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, family := range families {
		if family.GetName() == "closeguard_open_connections" {
			for _, metric := range family.GetMetric() {
				fmt.Println(metric.GetLabel()[0].GetValue(), metric.GetGauge().GetValue())
			}
		}
	}
	// Output:
	// chat 0
	// games 0
}
