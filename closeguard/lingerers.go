package closeguard

import (
	"container/list"
	"sync"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// lingerers are the connections that finish their closing handshake in the
// background, the one longest without a byte of its peer's first. Closing one
// costs the same however many there are.
type lingerers struct {
	mu  sync.Mutex
	all list.List // of *lingerer
}

// linger counts a connection that finishes in the background. If there are too
// many, the first one has to go.
func (g *Guard) linger(r *lingerer) {
	if first := g.lingerers.add(r, g.opts.MaxClosing); first != nil {
		g.closers.Do(func() { first.link.happened(closing.LimitReached{Limit: cause.Evicted}) })
	}
}

// steps is how far back a connection's place is looked for: those that begin at the same
// time may come in any order, and who has been silent for long is not worth a walk.
const steps = 16

// add puts one where its peer's last byte belongs, if that is near the end, and if there
// are more than most takes out the first.
func (s *lingerers) add(r *lingerer, most int) (first *lingerer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.place = s.all.PushBack(r)
	for range steps {
		before := r.place.Prev()
		if before == nil || before.Value.(*lingerer).last() <= r.last() {
			break
		}
		s.all.MoveBefore(r.place, before)
	}
	if s.all.Len() <= most {
		return nil
	}
	first = s.all.Remove(s.all.Front()).(*lingerer)
	first.place = nil
	return first
}

// last is when the peer's last byte came.
func (r *lingerer) last() instant { return r.link.in.LastActive() }

// heard takes note of a byte of the peer's.
func (s *lingerers) heard(r *lingerer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.place != nil {
		s.all.MoveToBack(r.place)
	}
}

// remove takes out one whose connection has ended.
func (s *lingerers) remove(r *lingerer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.place != nil {
		s.all.Remove(r.place)
		r.place = nil
	}
}
