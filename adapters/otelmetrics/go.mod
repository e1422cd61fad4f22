module github.com/closeguard/ws/adapters/otelmetrics

go 1.25.0

replace github.com/closeguard/ws => ../..

require (
	github.com/closeguard/ws v0.0.0-00010101000000-000000000000
	github.com/gorilla/websocket v1.5.0
	go.opentelemetry.io/otel v1.20.0
	go.opentelemetry.io/otel/metric v1.20.0
	go.opentelemetry.io/otel/sdk v1.20.0
	go.opentelemetry.io/otel/sdk/metric v1.20.0
	go.opentelemetry.io/otel/trace v1.20.0
)

require (
	github.com/go-logr/logr v1.3.0 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	golang.org/x/sys v0.14.0 // indirect
)
