package closeguard

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/closeguard/ws/closeguard/driver"
)

// A context that Go can't compare: programs pass such structs by value.
type valueContext struct {
	context.Context
	_ []int
}

// Calls with contexts that may end leave nothing behind, however many there
// are, side by side or one after the other.
func TestCallsForgetTheirContexts(t *testing.T) {
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := g.newLink(context.Background(), ConnInfo{})
	c := &Conn{Handle: Handle{l}}
	ends := []func(driver.Call){
		func(call driver.Call) { call.End(nil, false) },
		func(call driver.Call) { call.End(errors.New("failed"), true) },
		func(call driver.Call) { call.Keep(errors.New("of a message")) },
	}
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%2 == 0 {
					ctx = valueContext{Context: ctx}
				}
				call := c.Driver().Begin(ctx)
				if i%3 == 0 {
					cancel()
				}
				ends[i%len(ends)](call)
				cancel()
			}
		})
	}
	calls.Wait()
	places := 0
	for p := c.watched.first; p != nil; p = p.next {
		places++
		if p.ctx != nil {
			t.Errorf("%v is watched after all calls have ended", p.ctx)
		}
	}
	if places == 0 || places > 20 {
		t.Errorf("%d places for 20 calls at a time", places)
	}
	if r := l.machine().Record(); len(l.machine().Why()) > 0 || !r.Open() {
		t.Errorf("told %v, open %t; calls that fail don't end an open connection", l.machine().Why(), r.Open())
	}
}

// A call whose context can't end costs nothing; one whose context can costs no
// allocation once there has been as much at a time.
func TestCallsAllocateNothing(t *testing.T) {
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := g.newLink(context.Background(), ConnInfo{})
	c := &Conn{Handle: Handle{l}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"no context": nil, "background": context.Background(), "cancellable": ctx} {
		if n := testing.AllocsPerRun(100, func() { c.Driver().Begin(ctx).End(nil, false) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
