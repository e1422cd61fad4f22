package scale

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

var (
	ourClose   = []byte{0x88, 2, 0x03, 0xe9}                // 1001
	theirClose = []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9} // 1001, masked with zeros
	kick       = closeguard.CloseFrame{Code: 4003, Reason: "kicked"}
)

// What one connection costs doesn't depend on how many others there are. Two
// guards in one process are measured in turns, over pipes in memory.
func TestCostBesideOthers(t *testing.T) {
	few, many, pairs, batch := 100, pick(2000, 15000), pick(2, 10), pick(50, 3000)
	a, b := newCompany(t, few), newCompany(t, many)
	var table strings.Builder
	for _, step := range []struct {
		name string
		cost func(g *closeguard.Guard, n int) time.Duration
	}{{"opening", costOfOpening}, {"closing", costOfClosing}, {"kicking", costOfKicking}} {
		var fewer, more []time.Duration
		var ratios []float64
		for i := range pairs {
			var f, m time.Duration
			if i%2 == 0 {
				f, m = step.cost(a.guard, batch), step.cost(b.guard, batch)
			} else {
				m, f = step.cost(b.guard, batch), step.cost(a.guard, batch)
			}
			fewer, more, ratios = append(fewer, f), append(more, m), append(ratios, float64(m)/float64(f))
		}
		r := median(ratios)
		fmt.Fprintf(&table, "\n%s  %10v %10v  %.2f", step.name, median(fewer), median(more), r)
		if full && r > 1.1 {
			t.Errorf("%s costs %.2f times as much beside %d others, want at most 1.1", step.name, r, many)
		}
	}
	t.Logf("over Pipe, medians of %d pairs\nbeside   %6d     %6d    ratio%s", pairs, few, many, &table)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

// company is a guard with open connections.
type company struct {
	guard *closeguard.Guard
	conns []*closeguard.Conn
}

func newCompany(t *testing.T, n int) *company {
	g, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return &company{g, openPipes(g, pipes(n))}
}

func pipes(n int) (p []pipe) {
	for range n {
		ours, theirs := closetest.Pipe()
		p = append(p, pipe{ours, theirs})
	}
	return p
}

type pipe struct{ ours, theirs *closetest.PipeConn }

func openPipes(g *closeguard.Guard, pipes []pipe) (conns []*closeguard.Conn) {
	for _, p := range pipes {
		c, err := g.WrapConn(p.ours, closeguard.Server)
		if err != nil {
			panic(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// timed is how long one of n steps takes, without the garbage collector, of
// which nobody knows whose garbage it collects.
func timed(n int, step func(i int)) time.Duration {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	began := time.Now()
	for i := range n {
		step(i)
	}
	return time.Since(began) / time.Duration(n)
}

func costOfOpening(g *closeguard.Guard, n int) time.Duration {
	p := pipes(n)
	conns := make([]*closeguard.Conn, n)
	cost := timed(n, func(i int) { conns[i] = openPipes(g, p[i:i+1])[0] })
	for _, c := range conns {
		c.Abort()
		<-c.Done()
	}
	return cost
}

// costOfClosing is that of a closing handshake which the library begins.
func costOfClosing(g *closeguard.Guard, n int) time.Duration {
	p := pipes(n)
	conns := openPipes(g, p)
	buf := make([]byte, 100)
	return timed(n, func(i int) {
		conns[i].Write(ourClose)
		p[i].theirs.Write(theirClose)
		conns[i].Read(buf)
		conns[i].Close()
		<-conns[i].Done()
	})
}

// costOfKicking is that of CloseKey and the closing handshake which it waits for.
func costOfKicking(g *closeguard.Guard, n int) time.Duration {
	p := pipes(n)
	for i, c := range openPipes(g, p) {
		c.SetKeys(fmt.Sprint(i))
		go func() { // the library
			io.Copy(io.Discard, c)
			c.Close()
		}()
		go func() { // the peer
			io.ReadFull(p[i].theirs, make([]byte, 2))
			p[i].theirs.Write(theirClose)
		}()
	}
	return timed(n, func(i int) { g.CloseKey(context.Background(), fmt.Sprint(i), kick) })
}

// Over TCP the kernel's share is much the larger one: beside each other are
// guarded and bare connections.
func TestCostOverTCP(t *testing.T) {
	pairs, batch := pick(2, 10), pick(20, 200)
	var table strings.Builder
	for _, others := range []int{100, pick(2000, 15000)} {
		needDescriptors(t, others+batch*2)
		s := serve(t, closeguard.Options{})
		peers := connect(t, order{Addr: s.addr, Path: "/guarded", Deaf: others})
		costs := make(map[string][]time.Duration)
		ratios := make(map[string][]float64)
		steps := []string{"opening", "closing", "kicking"}
		for i := range pairs {
			var g, b map[string]time.Duration
			if i%2 == 0 {
				g, b = s.cost(t, "/guarded", batch), s.cost(t, "/bare", batch)
			} else {
				b, g = s.cost(t, "/bare", batch), s.cost(t, "/guarded", batch)
			}
			for _, step := range steps {
				costs[step+" guarded"] = append(costs[step+" guarded"], g[step])
				costs[step+" bare"] = append(costs[step+" bare"], b[step])
				ratios[step] = append(ratios[step], float64(g[step])/float64(b[step]))
			}
		}
		for _, step := range steps {
			fmt.Fprintf(&table, "\n%6d  %s  %10v %10v  %.2f", others, step,
				median(costs[step+" guarded"]), median(costs[step+" bare"]), median(ratios[step]))
		}
		peers.leave()
		s.guard.Close()
	}
	t.Logf("over TCP, medians of %d pairs\nbeside              guarded       bare  ratio%s", pairs, &table)
}

// cost is that of each step, for one of n connections.
func (s *server) cost(t *testing.T, path string, n int) map[string]time.Duration {
	open := func() (conns []net.Conn, cost time.Duration) {
		conns = make([]net.Conn, n)
		cost = timed(n, func(i int) {
			c, err := open(order{Addr: s.addr, Path: fmt.Sprint(path, "?key=", i)})
			if err != nil {
				t.Fatal(err)
			}
			c.SetLinger(0) // no TIME_WAIT
			conns[i] = c
		})
		return conns, cost
	}
	buf := make([]byte, 100)
	conns, opening := open()
	closing := timed(n, func(i int) { // by the client
		conns[i].Write(theirClose)
		for {
			if _, err := conns[i].Read(buf); err != nil {
				break
			}
		}
		conns[i].Close()
	})
	conns, _ = open()
	var clients sync.WaitGroup
	for _, c := range conns {
		clients.Go(func() {
			io.ReadFull(c, make([]byte, 2))
			c.Write(theirClose)
			io.Copy(io.Discard, c)
			c.Close()
		})
	}
	kicking := timed(n, func(i int) {
		if path == "/guarded" {
			s.guard.CloseKey(context.Background(), fmt.Sprint(i), kick)
		} else {
			s.kickByHand(fmt.Sprint(i), int(kick.Code), kick.Reason)
		}
	})
	clients.Wait()
	return map[string]time.Duration{"opening": opening, "closing": closing, "kicking": kicking}
}
