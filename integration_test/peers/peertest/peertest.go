// Package peertest is package peers for tests. Where a client or server is not installed
// the test is skipped, and fails in CI.
package peertest

import (
	"errors"
	"sync"
	"testing"

	"github.com/closeguard/ws/integration_test/need"
	"github.com/closeguard/ws/integration_test/peers"
)

// Start starts the client of that name, one of peers.Names, which ends with the test.
func Start(tb testing.TB, name string) *peers.Client {
	tb.Helper()
	c, err := peers.Start(name)
	installed(tb, err)
	tb.Cleanup(c.Close)
	return c
}

// Shared is Start for a client that is started at its first use and ends with the test
// binary: one in Node.js, "ws" or "undici".
func Shared(tb testing.TB, name string) *peers.Client {
	tb.Helper()
	get, ok := shared[name]
	if !ok {
		tb.Fatalf("peertest: %q is not a shared client: ws, undici", name)
	}
	c, err := get()
	installed(tb, err)
	return c
}

var shared = map[string]func() (*peers.Client, error){
	"ws":     sync.OnceValues(func() (*peers.Client, error) { return peers.Start("ws") }),
	"undici": sync.OnceValues(func() (*peers.Client, error) { return peers.Start("undici") }),
}

// Serve starts the server of that name, as peers.Serve does, and returns its address. It
// ends with the test.
func Serve(tb testing.TB, name string) string {
	tb.Helper()
	addr, stop, err := peers.Serve(name)
	installed(tb, err)
	tb.Cleanup(stop)
	return addr
}

func installed(tb testing.TB, err error) {
	tb.Helper()
	if missing := (*peers.MissingError)(nil); errors.As(err, &missing) {
		need.Met(tb, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
}
