module github.com/closeguard/ws/integration_test/faults

go 1.25.0

replace (
	github.com/closeguard/ws => ../..
	github.com/closeguard/ws/integration_test => ..
)

require (
	github.com/Shopify/toxiproxy/v2 v2.5.0
	github.com/closeguard/ws v0.0.0-00010101000000-000000000000
	github.com/closeguard/ws/integration_test v0.0.0-00010101000000-000000000000
	github.com/gorilla/websocket v1.5.3
	github.com/rs/zerolog v1.28.0
	golang.org/x/sys v0.41.0
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.1.2 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/golang/protobuf v1.5.2 // indirect
	github.com/gorilla/mux v1.8.0 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/matttproud/golang_protobuf_extensions v1.0.1 // indirect
	github.com/prometheus/client_golang v1.13.0 // indirect
	github.com/prometheus/client_model v0.2.0 // indirect
	github.com/prometheus/common v0.37.0 // indirect
	github.com/prometheus/procfs v0.8.0 // indirect
	github.com/rs/xid v1.4.0 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
	gopkg.in/tomb.v1 v1.0.0-20141024135613-dd632973f1e7 // indirect
)
