package scenario

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMain lets many rows wait at the same time: most of the time nothing happens.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// table is all rows.
func table() []row {
	return slices.Concat(peerCloses(), illegalCloses(), violations(), localCloses(), handlerEnds(), crossings(), ends(), rude())
}

// TestScenarios runs every row on both libraries, as server and client, ws and
// wss, through the adapters and as plain code, with and without compression:
// every pair of values with every row, or with MATRIX=full all of them.
func TestScenarios(t *testing.T) {
	runs := runTable(t, []string{"gorilla", "coder"})
	rows := table()
	differ, racy := 0, 0
	whys := map[string]int{}
	for _, r := range rows {
		differs := false
		for _, b := range r.but {
			switch {
			case b.racy:
				racy++
			case strings.Contains(b.when, "gorilla") || strings.Contains(b.when, "coder"):
				differs = true
				whys[b.when+": "+b.why]++
			}
		}
		if differs {
			differ++
		}
	}
	t.Logf("%d rows, %d runs; rows left out under the race detector: %d; rows in which the libraries differ: %d", len(rows), runs, racy, differ)
	for _, why := range slices.Sorted(maps.Keys(whys)) {
		t.Logf("%3d x %s", whys[why], why)
	}
	if len(rows) < 120 {
		t.Errorf("%d rows, want at least 120", len(rows))
	}
}

func runTable(t *testing.T, libraries []string) (runs int) {
	all := newServers(t)
	t.Run("rows", func(t *testing.T) {
		names := map[string]bool{}
		for _, r := range table() {
			if names[r.name] {
				t.Errorf("two rows are called %q", r.name)
			}
			names[r.name] = true
			settings := product(libraries, r.only)
			settings = slices.DeleteFunc(settings, func(s setting) bool { return !r.runs(s) })
			if os.Getenv("MATRIX") != "full" {
				settings = pairwise(settings)
			}
			for _, s := range settings {
				runs++
				t.Run(r.name+"/"+s.String(), func(t *testing.T) {
					t.Parallel()
					r.run(t, all, s)
				})
			}
		}
	})
	return runs
}
