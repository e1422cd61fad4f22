// Package wrappers puts the guard above and below what programs put around their
// handlers: routers, frameworks, and middleware with a ResponseWriter of its own.
// What becomes of a WebSocket is a table in docs/frameworks.md, which the test
// makes and compares: go test ./wrappers -update writes it.
package wrappers
