package proxies

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/integration_test/doctor"
)

// TestMain lets many rows wait at the same time, as most of the time nothing
// happens, and looks for what is left at the end.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	status := m.Run()
	doctor.Clean()
	for deadline := time.Now().Add(5 * time.Second); status == 0 && len(left()) > 0; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			fmt.Printf("goroutines are left:\n%s\n", strings.Join(left(), "\n\n"))
			status = 1
		}
	}
	os.Exit(status)
}

// left returns the stacks of goroutines that work on connections.
func left() (found []string) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "/ws/closeguard.") || strings.Contains(stack, "/websocket.") {
			found = append(found, stack)
		}
	}
	return found
}
