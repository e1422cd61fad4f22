// Package scale ends thousands of connections at one moment. Its clients are
// processes of their own, which the test binary starts from itself.
//
// Always run are 2,000 connections; with CLOSEGUARD_SCALE set, as make scale
// does, there are 15,000, and times are compared.
package scale

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/need"
)

// full says that make scale runs.
var full = os.Getenv("CLOSEGUARD_SCALE") != ""

func TestMain(m *testing.M) {
	if arg := os.Getenv(asClients); arg != "" {
		if err := runClients(arg); err != nil {
			fmt.Fprintln(os.Stderr, "scale: clients:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// pick is small in every run and large in make scale.
func pick[T any](small, large T) T {
	if full {
		return large
	}
	return small
}

// needDescriptors is for tests that open so many.
func needDescriptors(t *testing.T, n int) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if takes := uint64(n + 500); limit.Cur < takes {
		need.Met(t, fmt.Errorf("a process may open %d descriptors, it takes %d: ulimit -n", limit.Cur, takes))
	}
}

func median[T float64 | time.Duration](values []T) T {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
