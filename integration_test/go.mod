module github.com/closeguard/ws/integration_test

go 1.25

replace github.com/closeguard/ws => ../

require (
	github.com/closeguard/ws v0.0.0-00010101000000-000000000000
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
)
