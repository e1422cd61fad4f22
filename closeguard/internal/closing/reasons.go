package closing

import (
	"slices"

	"github.com/closeguard/ws/closeguard/cause"
)

// Reason is a cause and the error that tells it. The error is nil where the
// cause says it all. Without a cause it is only words: what the library said.
type Reason struct {
	Cause cause.Cause
	Err   error
}

// Reasons are all that brought an end about, in the order in which it happened.
type Reasons []Reason

// Add appends a reason.
func (r *Reasons) Add(c cause.Cause, err error) { *r = append(*r, Reason{c, err}) }

// Remove leaves out a cause, for one that is behind it; None is none.
func (r *Reasons) Remove(c cause.Cause) {
	if c != cause.None {
		*r = slices.DeleteFunc(slices.Clone(*r), func(reason Reason) bool { return reason.Cause == c })
	}
}

// first is the first cause that happened.
func (r Reasons) first() cause.Cause {
	for _, reason := range r {
		if reason.Cause != cause.None {
			return reason.Cause
		}
	}
	return cause.None
}

// Has reports whether the cause is among them; with None, whether the library has
// said something.
func (r Reasons) Has(c cause.Cause) bool {
	return slices.ContainsFunc(r, func(reason Reason) bool { return reason.Cause == c })
}

// Telling returns them with the most telling first.
func (r Reasons) Telling() Reasons {
	sorted := slices.Clone(r)
	slices.SortStableFunc(sorted, func(a, b Reason) int { return int(a.rank()) - int(b.rank()) })
	return sorted
}

// ofTransport reports whether the reason is how TCP ended, or why it was given up.
func (r Reason) ofTransport() bool { return r.rank() == rankTransport }

// SaysNoMoreThanWords reports whether what the library says tells as much, or more.
func (r Reason) SaysNoMoreThanWords() bool { return r.rank() >= rankWords }

// rank orders reasons by how much they tell; the first tells most.
type rank uint8

const (
	rankPanic rank = iota
	rankHandler
	rankWords
	rankAborted
	rankGuard // what the guard or the program decided
	rankLimit // of the closing handshake
	rankPeer  // that it broke a rule
	rankTransport
)

func (r Reason) rank() rank {
	switch r.Cause {
	case cause.Panic:
		return rankPanic
	case cause.HandlerError:
		return rankHandler
	case cause.None:
		return rankWords
	case cause.Aborted:
		return rankAborted
	case cause.Abandoned, cause.BareClose, cause.FrameUnsent, cause.PingTimeout, cause.IdleTimeout, cause.MaxAge,
		cause.WriteStall, cause.Shutdown, cause.Kicked:
		return rankGuard
	case cause.CloseIdle, cause.CloseTimeout, cause.CloseBytes, cause.Evicted:
		return rankLimit
	case cause.ProtocolError:
		return rankPeer
	case cause.EOF, cause.Reset, cause.TLS, cause.Transport, cause.ReadTimeout, cause.WriteTimeout, cause.Context:
		return rankTransport
	}
	panic("BUG: closing: a cause that there isn't")
}

// Cause is why the connection ended: the first that happened. A deadline or a context
// counts if the program gave up after it without another word of the peer's.
func (m *Machine) Cause() cause.Cause {
	if ran := m.gaveUpAfter(); ran.Err != nil {
		return ran.Cause
	}
	return m.Counting().first()
}

// Counting is what of all that happened counts: how TCP ended tells nothing where both
// Closes have crossed.
func (m *Machine) Counting() Reasons {
	why := slices.Clip(m.why)
	if ran := m.gaveUpAfter(); ran.Err != nil {
		why = append(why, ran)
	}
	if m.record.Complete() {
		why = slices.DeleteFunc(slices.Clone(why), Reason.ofTransport)
	}
	return why
}

// gaveUpAfter is the deadline or the context after which the program closed, the zero
// Reason if it was something else.
func (m *Machine) gaveUpAfter() Reason {
	if m.record.First == Peer {
		return Reason{}
	}
	return m.gaveUp
}
