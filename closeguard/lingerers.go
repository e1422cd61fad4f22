package closeguard

import (
	"container/list"
	"sync"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// lingerers are the connections that finish their closing handshake in the
// background, the one longest without a byte of its peer's first. Closing one
// costs the same however many there are.
type lingerers struct {
	mu  sync.Mutex
	all list.List // of *link
}

// lingering is where a connection is among the lingerers, nil: it is not. It is
// guarded by their mu.
type lingering struct{ place *list.Element }

// linger counts a connection that finishes in the background. If there are too
// many, the first one has to go.
func (g *Guard) linger(l *link) {
	if victim := g.lingerers.add(l, g.opts.MaxClosing); victim != nil {
		g.closers.Do(func() { victim.happened(closing.LimitReached{Limit: closing.Evicted}) })
	}
}

func (s *lingerers) add(l *link, most int) (victim *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.end.linger.place = s.all.PushBack(l)
	if s.all.Len() <= most {
		return nil
	}
	victim = s.all.Remove(s.all.Front()).(*link)
	victim.end.linger.place = nil
	return victim
}

// stillLingers takes note of a byte of the peer's.
func (g *Guard) stillLingers(l *link) {
	g.lingerers.mu.Lock()
	defer g.lingerers.mu.Unlock()
	if l.end.linger.place != nil {
		g.lingerers.all.MoveToBack(l.end.linger.place)
	}
}

// leaveLinger takes a connection out that has ended.
func (l *link) leaveLinger() {
	s := &l.guard.lingerers
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.end.linger.place != nil {
		s.all.Remove(l.end.linger.place)
		l.end.linger.place = nil
	}
}
