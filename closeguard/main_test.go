package closeguard

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

var listStates = flag.Bool("states", false, "list the states in which closing handshakes were")

// TestMain looks at every state in which a closing handshake of the package's
// tests is: each must be one that the types allow. With -states it lists them.
func TestMain(m *testing.M) {
	flag.Parse()
	var mu sync.Mutex
	seen := make(map[closing.State]int)
	closing.Probe = func(s closing.State) {
		mu.Lock()
		defer mu.Unlock()
		seen[s]++
	}
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	for _, s := range slices.SortedFunc(maps.Keys(seen), func(a, b closing.State) int { return strings.Compare(a.String(), b.String()) }) {
		if *listStates {
			fmt.Printf("%8d %v\n", seen[s], s)
		}
		if !s.Possible() {
			fmt.Fprintf(os.Stderr, "a closing handshake was in a state that can't be: %v\n", s)
			code = 1
		}
	}
	os.Exit(code)
}
