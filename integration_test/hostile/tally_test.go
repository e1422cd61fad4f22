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
	wrong    int
}

func newTally(t *testing.T, seed uint64) *tally {
	return &tally{T: t, seed: seed, endings: map[string]int{}, refusals: map[string]int{}}
}

// mostPrinted is how many failures are printed; the others are only counted.
const mostPrinted = 20

// wrongs takes what is wrong with a connection.
func (t *tally) wrongs(c *connection, misfits []string) {
	if len(misfits) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Fail()
	if t.wrong++; t.wrong <= mostPrinted {
		t.Log(c.story(t.seed, misfits))
	}
}

// wrongCrowd takes what is wrong with a whole crowd.
func (t *tally) wrongCrowd(number int, misfit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
