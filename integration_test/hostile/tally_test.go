package hostile

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// A tally counts what came of all connections.
type tally struct {
	*testing.T
	seed uint64

	mu       sync.Mutex
	crowds   int
	came     int
	endings  map[string]int
	refusals map[string]int
	found    map[string]int // of the known faults
	wrong    int
}

func newTally(t *testing.T, seed uint64) *tally {
	return &tally{T: t, seed: seed, endings: map[string]int{}, refusals: map[string]int{}, found: map[string]int{}}
}

// mostPrinted is how many failures are printed; the others are only counted.
const mostPrinted = 20

// wrongs takes what is wrong with a connection. What is known is counted.
func (t *tally) wrongs(c *connection, misfits []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var fresh []string
	for _, m := range misfits {
		if name := nameOf(c, m); name != "" {
			t.found[name]++
		} else {
			fresh = append(fresh, m)
		}
	}
	if len(fresh) == 0 {
		return
	}
	t.Fail()
	if t.wrong++; t.wrong <= mostPrinted {
		t.Log(c.story(t.seed, fresh))
	}
}

// wrongCrowd takes what is wrong with a whole crowd.
func (t *tally) wrongCrowd(number int, misfit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name := nameOf(nil, misfit); name != "" {
		t.found[name]++
		return
	}
	t.Errorf("seed %d, crowd %d: %s", t.seed, number, misfit)
}

// print says what came of it all.
func (t *tally) print(took time.Duration) {
	t.Logf("seed %d: %d connections in %d crowds, %v", t.seed, t.came, t.crowds, took.Round(100*time.Millisecond))
	for _, of := range []map[string]int{t.endings, t.refusals} {
		for _, kind := range slices.Sorted(maps.Keys(of)) {
			t.Logf("%6d %s", of[kind], kind)
		}
	}
	for _, k := range known {
		t.Logf("%6d known: %s: %s", t.found[k.name], k.name, k.reason)
	}
	if t.wrong > 0 {
		t.Errorf("%d connections are wrong, to have the same again: -seed %d", t.wrong, t.seed)
	}
	const many = 3000
	for _, kind := range []string{
		"peer closed clean", "peer closed", "local closed clean", "local closed: no answer", "local closed: too long",
		"local closed: shut down", "local closed: kicked", "dropped: FIN", "dropped: reset", "dropped: aborted",
	} {
		if t.came > many && *only < 0 && t.endings[kind] == 0 {
			t.Errorf("nobody ended as %q, which this is for", kind)
		}
	}
}
