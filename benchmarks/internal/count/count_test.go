//go:build !race

// The race detector adds allocations and memory of its own.

package count_test

import (
	"fmt"
	"testing"

	"github.com/closeguard/ws/benchmarks/internal/count"
	"github.com/closeguard/ws/benchmarks/internal/server"
)

// The guard against regressions: the echo of a message costs guarded as many
// allocations and system calls as bare.
func TestAMessageCostsWhatItCostsBare(t *testing.T) {
	for _, library := range []string{"gorilla", "coder"} {
		for _, secure := range []bool{false, true} {
			for _, compress := range []bool{false, true} {
				for _, size := range []int{64, 1 << 10, 4 << 10, 8 << 10, 64 << 10, 1 << 20} {
					if size > count.MaxCalls && (secure || compress) {
						// The client's TLS allocates in this process, too, and
						// what compression writes depends on the time it takes.
						continue
					}
					name := fmt.Sprintf("%s/tls=%t/compression=%t/%d B", library, secure, compress, size)
					t.Run(name, func(t *testing.T) {
						cell := count.Cell{Library: library, TLS: secure, Compress: compress, Size: size}
						bare := echo(t, cell, server.Bare)
						if size <= count.MaxCalls && (bare.Reads == 0 || bare.Writes == 0) {
							t.Fatalf("nothing was counted: %+v", bare)
						}
						for _, path := range []string{server.Plain, server.Adapter} {
							got := echo(t, cell, path)
							t.Logf("%s %+v, bare %+v", path, got, bare)
							if got != bare {
								t.Errorf("%s: %+v, want %+v as bare", path, got, bare)
							}
						}
					})
				}
			}
		}
	}
}

func echo(t *testing.T, c count.Cell, path string) count.Counts {
	t.Helper()
	c.Path = path
	n, err := count.Echo(c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
