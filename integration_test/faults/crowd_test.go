package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

var (
	howLong = flag.Duration("crowd", 2*time.Minute, "how long TestCrowd goes on")
	seed    = flag.Uint64("seed", 0, "of TestCrowd; 0: a new one")
)

// A crowd is peers that come, talk and go at random while lines break.
type crowd struct {
	*server
	*testing.T
	open  func(worker int, random *rand.Rand) (line, error) // a line for some of them
	shake func(l line, who []*visitor, random *rand.Rand, over <-chan struct{}) error
	ended chan struct{} // closed when the server has no connection any more

	mu       sync.Mutex
	visitors map[string]*visitor
}

// squalls is how many groups of peers, each on a line of its own, there are at
// the same time in a crowd.
const squalls = 12

func newCrowd(t *testing.T) *crowd {
	return &crowd{T: t, ended: make(chan struct{}), visitors: make(map[string]*visitor), server: newServer(t, closeguard.Options{
		CloseIdle: 700 * time.Millisecond, CloseTimeout: 2 * time.Second, CloseBytes: 1 << 20,
		PingInterval: 700 * time.Millisecond, PingTimeout: 700 * time.Millisecond, WriteStall: time.Second,
	}, obey)}
}

// throughProxies is a crowd that comes through toxiproxy.
func throughProxies(t *testing.T) *crowd {
	c := newCrowd(t)
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	addr := c.serve(l)
	c.open = func(_ int, random *rand.Rand) (line, error) {
		p, err := newProxy(addr, random.IntN(2) == 0)
		harm := harms[random.IntN(len(harms))]
		return p, errors.Join(err, p.add(harm.kind, harm.direction, harm.attributes, 0.5))
	}
	c.shake = shakeProxy
	return c
}

// insideNamespace is a crowd inside a network namespace.
func insideNamespace(t *testing.T) *crowd {
	ns := newNamespace(t)
	c := newCrowd(t)
	var cables [squalls]*cable
	for i := range cables {
		l, err := ns.listen()
		if err != nil {
			t.Fatal(err)
		}
		cables[i] = &cable{ns, c.serve(l)}
	}
	c.open = func(worker int, _ *rand.Rand) (line, error) { return cables[worker], nil }
	c.shake = shakeCable
	return c
}

// harms are the toxics that half of a proxy's connections have.
var harms = []struct{ kind, direction, attributes string }{
	{"black_hole", "both", `"after": 700`},
	{"black_hole", "upstream", `"after": 700`},
	{"limit_data", "upstream", `"bytes": 600`},
	{"limit_data", "downstream", `"bytes": 600`},
	{"slicer", "both", `"average_size": 7, "size_variation": 3, "delay": 100`},
	{"latency", "both", `"latency": 40, "jitter": 30`},
	{"bandwidth", "both", `"rate": 20`},
	{"slow_close", "both", `"delay": 200`},
}

func pause(longest time.Duration, random *rand.Rand, over <-chan struct{}) {
	select {
	case <-time.After(time.Duration(random.Int64N(int64(longest)))):
	case <-over:
	}
}

// shakeProxy ends all connections of a proxy, or leaves them to their toxic.
func shakeProxy(l line, _ []*visitor, random *rand.Rand, over <-chan struct{}) error {
	if random.IntN(2) == 0 {
		pause(400*time.Millisecond, random, over)
		l.close()
	}
	return nil
}

// shakeCable does something to all connections of a port, or to some of them.
func shakeCable(l line, who []*visitor, random *rand.Rand, over <-chan struct{}) error {
	c := l.(*cable)
	pause(150*time.Millisecond, random, over)
	switch random.IntN(4) {
	case 0:
		if err := c.lose(); err != nil {
			return err
		}
		<-over
		return c.calm()
	case 1, 2:
		if err := c.cut(); err != nil {
			return err
		}
		pause(2500*time.Millisecond, random, over)
		return c.mend()
	default:
		for range 5 {
			at := who[random.IntN(len(who))].address()
			kill := []func(net.Addr) error{c.killOurs, c.killTheirs}[random.IntN(2)]
			if at == nil {
				continue // not there yet
			}
			if err := kill(at); err != nil {
				return err
			}
		}
		return nil
	}
}

// come lets peers come until then, and shuts the guard down among them.
func (c *crowd) come(seed uint64, until time.Time) {
	var working sync.WaitGroup
	for worker := range squalls {
		working.Go(func() {
			for n := uint64(0); time.Now().Before(until); n++ {
				c.squall(worker, n, seed)
			}
		})
	}
	end := time.NewTimer(time.Until(until))
	defer end.Stop()
	collect := time.NewTicker(time.Second)
	defer collect.Stop()
	for waiting := true; waiting; {
		select {
		case <-collect.C:
			runtime.GC() // finds who was dropped
		case <-end.C:
			waiting = false
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	report, err := c.guard.Shutdown(ctx)
	close(c.ended)
	c.Logf("shutdown: %v", report)
	if err != nil {
		c.Error(err)
	}
	working.Wait()
}

// squall is one group of peers on one line.
func (c *crowd) squall(worker int, n, seed uint64) {
	random := rand.New(rand.NewPCG(seed, uint64(worker)<<32|n))
	l, err := c.open(worker, random)
	if err != nil {
		c.Error(err)
		return
	}
	defer l.close()
	who := make([]*visitor, 10+random.IntN(30))
	over := make(chan struct{})
	var coming, visiting, shaking sync.WaitGroup
	early := random.IntN(6) == 0 // in the opening handshakes, too
	for i := range who {
		endpoint := endpoints[random.IntN(len(endpoints))].Path
		who[i] = draw(random, fmt.Sprintf("%s/%d-%d-%d", endpoint, worker, n, i))
		c.mu.Lock()
		c.visitors[who[i].path] = who[i]
		c.mu.Unlock()
	}
	coming.Add(len(who))
	shaking.Go(func() {
		if !early {
			coming.Wait()
		}
		if err := c.shake(l, who, random, over); err != nil {
			c.Error(err)
		}
	})
	shaking.Go(func() {
		select {
		case <-c.ended: // what is left in a slow line takes minutes to come out
			l.close()
		case <-over:
		}
	})
	for _, v := range who {
		visiting.Go(func() { v.visit(l, coming.Done) })
	}
	visiting.Wait()
	close(over)
	shaking.Wait()
}

// judge compares all events with all records.
func (c *crowd) judge() {
	events := c.events.All()
	kinds, opened, hidden := map[string]int{}, 0, 0
	for path, r := range c.All() {
		h := events[path]
		v := c.visitors[path]
		if !r.Switched() {
			if unsent(path, r, h) {
				hidden++
			} else if h.Opened+len(h.Closed) > 0 {
				c.Errorf("%s: %d opened, %v, and no 101 left but %q, %v", path, h.Opened, h.Closed, r.Out.Head, r.Out.Err)
			}
			continue
		}
		opened++
		if h.Opened != 1 || len(h.Closed) != 1 {
			c.Errorf("%s%s: %d opened, %v; want one of each", path, v.query, h.Opened, h.Closed)
			continue
		}
		ev := h.Closed[0]
		for _, misfit := range r.Misfits(ev, answers) {
			c.Errorf("%s%s: %s\n\t%s\n\t%s\n\ton the wire: %s", path, v.query, misfit, record.Full(ev), ev, r.Order())
		}
		if v.read != nil && record.CloseText(v.read) != record.CloseText(r.Out.Close) {
			c.Errorf("%s%s: the peer read %s, the server's side wrote %s", path, v.query, record.CloseText(v.read), record.CloseText(r.Out.Close))
		}
		kinds[sortOf(ev)]++
	}
	told := 0 // of connections, and not of requests that were refused
	for _, h := range events {
		if h.Opened+len(h.Closed) > 0 {
			told++
		}
	}
	if told > opened+hidden {
		c.Errorf("events of %d connections, opened were %d", told, opened+hidden)
	}
	if opened == 0 {
		c.Error("nobody came")
	}
	c.Logf("%d connections of %d visitors; of %d more net/http hides that its 101 didn't leave", opened, len(c.visitors), hidden)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		c.Logf("%6d %s", kinds[kind], kind)
	}
	const many = 500
	for _, kind := range []string{"peer closed clean", "local closed clean", "local closed: no answer", "dropped: reset", "dropped: FIN"} {
		if kinds[kind] == 0 && opened > many {
			c.Errorf("nobody ended as %q, which the crowd is for", kind)
		}
	}
}

// forget drops what was written down. Somebody may still come who finds the
// door closed.
func (c *crowd) forget() {
	c.Forget()
	c.events.Forget()
	c.visitors = nil
}

// unsent reports whether the connection has the events of one whose 101 net/http
// wrote, which doesn't tell that it failed.
func unsent(path string, r *record.Record, h record.History) bool {
	if !strings.Contains(path, "coder") || r.Out.Err == nil || h.Opened != 1 || len(h.Closed) != 1 {
		return false
	}
	_, dropped := h.Closed[0].(*closeguard.Dropped)
	return dropped
}

// sortOf is what kind of ending it is, with the cause and without codes.
func sortOf(ev closeguard.CloseEvent) string {
	kind := record.KindOf(ev)
	if ev.Clean() {
		return kind + " clean"
	}
	if why := record.Why(ev); len(why) > 0 {
		return kind + ": " + strings.Join(why, " and ")
	}
	return kind
}
