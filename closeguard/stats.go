package closeguard

import "github.com/closeguard/ws/closeguard/internal/closing"

// Stats counts the connections of a guard at one moment. Opened is Open and the
// three kinds of endings together, at every moment.
type Stats struct {
	Opened uint64 // so far

	Open     int // have not ended
	Closing  int // of Open: something points to the end, as a Close frame or the end of the stream does
	Draining int // of Open: a shutdown waits for them; 0 before one has begun

	PeerClosed, LocalClosed, Dropped uint64 // have ended, by the kind of their close event
}

// Stats returns how many connections there are and were. A connection counts as
// opened, and as ended, before any observer is told so and before its Done is closed.
// Stats costs the same however many there are.
func (g *Guard) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	if g.drain != nil {
		s.Draining = g.live
	}
	return s
}

// ends counts a connection that has ended, and may have been counted as closing.
func (s *Stats) ends(first closing.Party, wasClosing bool) {
	s.Open--
	if wasClosing {
		s.Closing--
	}
	switch first {
	case closing.Peer:
		s.PeerClosed++
	case closing.Us:
		s.LocalClosed++
	case closing.Transport:
		s.Dropped++
	case closing.Nobody:
		panic("BUG: closeguard: an end that nobody brought about")
	}
}
