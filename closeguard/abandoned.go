package closeguard

import (
	"runtime"

	"github.com/closeguard/ws/closeguard/cause"
)

// A Conn that the program has dropped is found by the weak pointer that its link has.
// The collector tells when to look: it finds a mark that nothing holds. One mark is
// enough for all connections. A finalizer for each costs more memory, and time: the
// runtime searches a list of all that lie in the same 8 KiB of memory, when one is set
// and when it is taken back.

// mark is what the collector finds each time.
type mark struct{ guard *Guard }

// lookLater has dropped Conns looked for behind each collection, as long as there are
// links. The guard's mu is held.
func (g *Guard) lookLater() {
	if !g.marked {
		g.marked = true
		runtime.SetFinalizer(&mark{g}, (*mark).found)
	}
}

func (m *mark) found() { m.guard.callers.Do(m.look) }

// look closes the connections of which the Conn was dropped, and sets the mark again.
func (m *mark) look() {
	g := m.guard
	for _, l := range g.dropped() {
		l.mu.Lock()
		closed := l.app.Closed && !l.end.awaitsWord()
		l.mu.Unlock()
		if !closed {
			g.callers.Do(func() { abandon(l) })
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.marked = len(g.links) > 0; g.marked {
		runtime.SetFinalizer(m, (*mark).found)
	}
}

// atOnce is how many links are looked at with the guard's mu held.
const atOnce = 1024

// dropped are the links whose Conn is gone, and that have not ended. From the back on,
// because a link that is removed has the last one take its place.
func (g *Guard) dropped() (links []*link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := len(g.links) - 1; i >= 0; i-- {
		if l := g.links[i]; l.conn.Value() == nil && !l.ended.final() {
			links = append(links, l)
		}
		if i%atOnce == 0 {
			g.mu.Unlock()
			g.mu.Lock()
			i = min(i, len(g.links))
		}
	}
	return links
}

// abandon closes a connection whose program has dropped it.
func abandon(l *link) {
	defer l.survive()
	l.close(cause.Abandoned) //nolint:errcheck // nobody is there to be told
}
