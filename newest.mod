module github.com/closeguard/ws

go 1.25.0

require (
	github.com/coder/websocket v1.8.15
	github.com/gorilla/websocket v1.5.3
	go.uber.org/zap v1.28.0
)

require go.uber.org/multierr v1.10.0 // indirect
