// Package load is the clients' side of the measurements. It runs in a process
// of its own.
package load

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/closeguard/ws/benchmarks/internal/child"
	"github.com/closeguard/ws/benchmarks/internal/wsraw"
)

// Load is the role of a process of clients. It holds groups of connections.
type Load struct {
	mu     sync.Mutex
	groups map[int][]*wsraw.Conn
	last   int
}

// Group says which connections to open.
type Group struct {
	URL     string
	Deflate bool
	Conns   int
}

// dialers is how many connections are opened at a time.
const dialers = 32

// Open opens a group of connections and returns its number.
func (l *Load) Open(g Group, id *int) error {
	conns, err := dialAll(g)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups == nil {
		l.groups = make(map[int][]*wsraw.Conn)
	}
	l.last++
	l.groups[l.last] = conns
	*id = l.last
	return err
}

func dialAll(g Group) ([]*wsraw.Conn, error) {
	conns := make([]*wsraw.Conn, g.Conns)
	errs := make(chan error, 1)
	var next sync.Mutex
	var wg sync.WaitGroup
	at := 0
	for range min(dialers, g.Conns) {
		wg.Go(func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= g.Conns || len(errs) > 0 {
					return
				}
				c, err := wsraw.Dial(g.URL, g.Deflate)
				if err != nil {
					select {
					case errs <- fmt.Errorf("connection %d of %d: %w", i+1, g.Conns, err):
					default:
					}
					return
				}
				conns[i] = c
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return conns, err
	default:
		return conns, nil
	}
}

// Close resets all connections of a group.
func (l *Load) Close(id int, _ *child.None) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.groups[id] {
		if c != nil {
			c.Close()
		}
	}
	delete(l.groups, id)
	return nil
}

func (l *Load) group(id int) []*wsraw.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.groups[id]
}

// Settle collects garbage, so that what is measured next begins like all the others.
func (l *Load) Settle(child.None, *child.None) error {
	runtime.GC()
	return nil
}
