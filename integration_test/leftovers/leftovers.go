// Package leftovers finds what closed connections have left behind.
package leftovers

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Settle waits until no more than this is at work and open.
func Settle(t *testing.T, patience time.Duration, goroutines, open int) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); len(Working()) > goroutines || Descriptors(t) > open; <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors, before %d; %d goroutines, before %d:\n%s",
				Descriptors(t), open, len(Working()), goroutines, strings.Join(Working(), "\n\n"))
		}
	}
}

// Working returns the stacks of goroutines that work on connections.
func Working() []string {
	return Running("/closeguard.(", "gorilla/websocket.", "coder/websocket.", "net/http.(*conn).")
}

// Running returns the stacks in which one of the parts occurs.
func Running(parts ...string) []string {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(stack, part) }) {
			found = append(found, stack)
		}
	}
	return found
}

// Descriptors is how many files and sockets this process has open.
func Descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
