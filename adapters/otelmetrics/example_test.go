package otelmetrics_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/websocket"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/closeguard/ws/adapters/otelmetrics"
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

// leave connects and closes with a code.
func leave(server *httptest.Server, code closeguard.Code) error {
	peer, err := closetest.Dial(context.Background(), server.URL+"/ws", nil)
	if err != nil {
		return err
	}
	peer.WriteClose(code, "any words")
	peer.ReadToEnd()
	return nil
}

// A server with its metrics.
func Example() {
	reader := metric.NewManualReader() // a program has one that exports
	metrics, err := otelmetrics.New(otelmetrics.Options{
		Catalogs:      []catalog.Names{catalog.GraphQL}, // 4400 and the like count by number
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
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
	if _, err := metrics.Register(guard); err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(guard.Middleware(http.HandlerFunc(listen)))
	defer server.Close()

	for _, code := range []closeguard.Code{closeguard.GoingAway, 4400, 4711, 4712, 999} {
		if err := leave(server, code); err != nil {
			fmt.Println(err)
			return
		}
	}
	guard.Idle(context.Background()) // until the observers know

	var read metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &read); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range read.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, point := range sum.DataPoints {
				code, _ := point.Attributes.Value("closeguard.code")
				fmt.Println(m.Name, code.AsString(), point.Value)
			}
		}
	}
	// Unordered output:
	// closeguard.closes 1001 1
	// closeguard.closes 4400 1
	// closeguard.closes 4xxx 2
	// closeguard.closes illegal 1
	// closeguard.open_connections  0
	// closeguard.closing_connections  0
	// closeguard.draining_connections  0
	// closeguard.opened_connections  5
}

// Each connection has a span of its own, which has the end whether the request's span has
// ended before or not.
func ExampleNew_traces() {
	spans := tracetest.NewInMemoryExporter()
	metrics, err := otelmetrics.New(otelmetrics.Options{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
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
	server := httptest.NewServer(guard.Middleware(http.HandlerFunc(listen)))
	defer server.Close()
	if err := leave(server, closeguard.GoingAway); err != nil {
		fmt.Println(err)
		return
	}
	guard.Idle(context.Background()) // until the observers know

	for _, span := range spans.GetSpans() {
		for _, event := range span.Events {
			fmt.Println(span.Name, event.Name)
			for _, attr := range event.Attributes {
				fmt.Println(attr.Key, attr.Value.Emit())
			}
		}
	}
	// Output:
	// websocket closeguard.closed
	// closeguard.kind peer_closed
	// closeguard.code 1001
	// closeguard.cause none
}

// The span of a WebSocket's request stays open until its end was told: a middleware of the
// program's around the guard begins it, and an observer behind the metrics ends it. Of
// requests that don't ask for a WebSocket the guard tells nothing.
func ExampleMetrics_Observe() {
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("example")
	metrics, err := otelmetrics.New(otelmetrics.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ends := closeguard.ObserverFunc(func(ctx context.Context, ev closeguard.Event) {
		switch ev.(type) {
		case closeguard.CloseEvent, *closeguard.Refused:
			trace.SpanFromContext(ctx).End()
		}
	})
	guard, err := closeguard.New(closeguard.Options{Observers: []closeguard.Observer{metrics, ends}})
	if err != nil {
		fmt.Println(err)
		return
	}
	guarded := guard.Middleware(http.HandlerFunc(listen))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := tracer.Start(r.Context(), "GET /ws")
		if !websocket.IsWebSocketUpgrade(r) {
			defer span.End()
		}
		guarded.ServeHTTP(w, r.WithContext(ctx))
	}))
	defer server.Close()
	if err := leave(server, 4711); err != nil {
		fmt.Println(err)
		return
	}
	guard.Idle(context.Background()) // until the observers know

	for _, span := range spans.GetSpans() {
		for _, event := range span.Events {
			fmt.Println(span.Name, event.Name, event.Attributes[1].Value.Emit())
		}
	}
	// Output: GET /ws closeguard.closed 4711
}
