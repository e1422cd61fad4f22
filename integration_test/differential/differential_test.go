package differential

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	scriptsFlag = flag.Int("scripts", 1000, "how many scripts are played")
	seedFlag    = flag.Uint64("seed", 1, "the first script's `seed`; 0: one of the clock's")
	showFlag    = flag.Bool("show", false, "print every script and what was seen")
	atOnceFlag  = flag.Int("parallel-scripts", 0, "how many scripts are played at the same time; 0: by the number of processors")
)

// verdict is what the tables say of a script's differences.
type verdict struct {
	rows []string // that were needed, of both tables
	open []difference
	b, g observation
}

// judge asks the tables about every difference.
func judge(sc script, b, g observation) verdict {
	v := verdict{b: b, g: g}
	for _, d := range compare(sc, b, g) {
		name := explain(d)
		if name == "" {
			v.open = append(v.open, d)
			continue
		}
		v.rows = append(v.rows, name)
	}
	return v
}

func explain(d difference) string {
	for _, r := range allowed {
		if r.holds(d) {
			return r.name
		}
	}
	for _, f := range known {
		if f.holds(d) {
			return f.name
		}
	}
	return ""
}

// The pace of a first play, and of one that shall confirm a difference.
var (
	quick   = paceOf(160 * time.Millisecond)
	careful = paceOf(500 * time.Millisecond)
)

// told is how many failures are told before the rest of the scripts is left out.
const told = 12

// confirmations is how often a difference must come again.
const confirmations = 4

// A trial plays scripts and judges them.
type trial struct {
	stage
	quiet  chan struct{} // taken by a confirmation: a few at a time
	again  atomic.Int64
	failed atomic.Int64
}

func newTrial(t *testing.T) *trial {
	return &trial{stage: stage{line: newLine(t)}, quiet: make(chan struct{}, 4)}
}

// try plays a script bare and guarded. A difference that no table explains must
// come between any two plays.
func (t *trial) try(sc script) (verdict, error) {
	b, g, err := t.both(sc, quick)
	if err != nil {
		return verdict{}, err
	}
	first := judge(sc, b, g)
	if len(first.open) == 0 {
		return first, nil
	}
	t.again.Add(1)
	return t.confirm(sc, confirmations)
}

// both plays a script bare and guarded, at the same time.
func (t *trial) both(sc script, at pace) (b, g observation, err error) {
	var bare sync.WaitGroup
	var bareErr error
	bare.Go(func() { b, bareErr = t.play(sc, false, at) })
	g, err = t.play(sc, true, at)
	bare.Wait()
	return b, g, errors.Join(bareErr, err)
}

// confirm plays until a bare and a guarded play agree, or often enough.
func (t *trial) confirm(sc script, times int) (verdict, error) {
	t.quiet <- struct{}{}
	defer func() { <-t.quiet }()
	var bare, guarded []observation
	var last verdict
	for range times {
		b, g, err := t.both(sc, careful)
		if err != nil {
			return verdict{}, err
		}
		bare, guarded = append(bare, b), append(guarded, g)
		for _, b := range bare {
			for _, g := range guarded {
				last = judge(sc, b, g)
				if len(last.open) == 0 {
					return last, nil
				}
			}
		}
	}
	return last, nil
}

// Whatever a peer and a handler see without the guard, they see with it, but
// for what the tables say.
func TestBareAgainstGuarded(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) % 1e12
	}
	t.Logf("seed %d, %d scripts", seed, *scriptsFlag)
	tr := newTrial(t)
	parallel := *atOnceFlag
	if parallel == 0 {
		parallel = 150 * runtime.GOMAXPROCS(0)
	}
	var mu sync.Mutex
	counts := make(map[string]int)
	seeds := make(chan uint64)
	var players sync.WaitGroup
	begun := time.Now()
	for range parallel {
		players.Go(func() {
			for seed := range seeds {
				if tr.failed.Load() >= told {
					continue // enough is known
				}
				sc := generate(seed)
				v, err := tr.try(sc)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					continue
				}
				mu.Lock()
				for _, name := range unique(v.rows) {
					counts[name]++
				}
				mu.Unlock()
				if *showFlag {
					fmt.Fprintf(os.Stderr, "seed %d: %v%s", seed, sc, report(sc, v.b, v.g))
				}
				if len(v.open) > 0 && tr.failed.Add(1) <= told {
					sc, v = tr.shorten(sc, v)
					t.Error(tell(sc, v))
				}
			}
		})
	}
	for i := range uint64(*scriptsFlag) {
		seeds <- seed + i
	}
	close(seeds)
	players.Wait()
	t.Logf("%d scripts in %v, %d of them played again; how many differed, and why:", *scriptsFlag, time.Since(begun).Round(time.Second/10), tr.again.Load())
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%6d  %s", counts[name], name)
	}
	left := make(chan struct{})
	go func() {
		tr.left.Wait()
		close(left)
	}()
	select {
	case <-left:
	case <-time.After(time.Minute):
		t.Error("a server or a guard doesn't end")
	}
}

// plays is how often a script is played to see a fault that is known.
const plays = 20

// The harness finds each fault that is known. If it doesn't, the fault is mended
// and its row can go.
func TestKnownFaultsAreFound(t *testing.T) {
	t.Parallel()
	tr := newTrial(t)
	for _, f := range known {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var b, g observation
			for range plays { // some are races
				var err error
				if b, g, err = tr.both(f.shown, quick); err != nil {
					t.Fatal(err)
				}
				if slices.Contains(judge(f.shown, b, g).rows, f.name) {
					return
				}
			}
			t.Errorf("the script shows this fault no more in %d plays, so that its row can be removed:\n%v%s", plays, f.shown, report(f.shown, b, g))
		})
	}
}

// shorten leaves out the steps that a difference doesn't need.
func (t *trial) shorten(sc script, v verdict) (script, verdict) {
	begun := time.Now()
	for i := len(sc.steps) - 1; i >= 0 && time.Since(begun) < 20*time.Second; i-- {
		shorter := sc
		shorter.steps = slices.Delete(slices.Clone(sc.steps), i, i+1)
		w, err := t.confirm(shorter, 2)
		if err == nil && sameKind(v, w) {
			sc, v = shorter, w
		}
	}
	return sc, v
}

// sameKind reports whether the first thing that differs is the same.
func sameKind(v, w verdict) bool {
	return len(w.open) > 0 && slices.ContainsFunc(w.open, func(d difference) bool { return d.of == v.open[0].of })
}

// tell is a failure's message.
func tell(sc script, v verdict) string {
	var s strings.Builder
	fmt.Fprintf(&s, "seed %d: no table explains that with the guard there is another\n", sc.seed)
	for _, d := range v.open {
		fmt.Fprintf(&s, "    %v\n", d)
	}
	fmt.Fprintf(&s, "the script, without the steps that it takes no part in:\n%v", sc)
	fmt.Fprintf(&s, "both observations:\n%s", report(sc, v.b, v.g))
	return s.String()
}

func unique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
