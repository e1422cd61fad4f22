module github.com/closeguard/ws

go 1.25.0

require (
	github.com/coder/websocket v1.8.12
	github.com/gorilla/websocket v1.5.0
	go.uber.org/zap v1.23.0
)

require (
	go.uber.org/atomic v1.7.0 // indirect
	go.uber.org/multierr v1.6.0 // indirect
)
