package closing

import "slices"

// Cause is why a connection ended, one word of a closed list.
type Cause uint8

// The causes. Those of one kind stand together, the most telling kind first.
const (
	NoCause Cause = iota // the Close frames say it all

	Panic        // of a handler
	HandlerError // what a handler returned
	Words        // what the library said: more words, and no cause of its own

	Aborted // by the program

	Abandoned   // the program dropped the connection
	BareClose   // the library closed TCP without a Close
	FrameUnsent // our Close could not be sent
	PingTimeout
	IdleTimeout
	MaxAge
	WriteStall
	Shutdown
	Kicked

	CloseIdle
	CloseTimeout
	CloseBytes
	Evicted

	Protocol // the peer broke a rule

	EOF
	Reset
	TLS
	TransportFailed // in another way
	ReadTimeout
	WriteTimeout
	Context // of a call of the library's ended

	causes // how many there are
)

// kind is what causes that say the same sort of thing have in common. The lower
// is the more telling.
func (c Cause) kind() int {
	switch c {
	case NoCause, Panic:
		return 0
	case HandlerError:
		return 1
	case Words:
		return 2
	case Aborted:
		return 3
	case Abandoned, BareClose, FrameUnsent, PingTimeout, IdleTimeout, MaxAge, WriteStall, Shutdown, Kicked:
		return 4
	case CloseIdle, CloseTimeout, CloseBytes, Evicted:
		return 5
	case Protocol:
		return 6
	case EOF, Reset, TLS, TransportFailed, ReadTimeout, WriteTimeout, Context:
		return 7
	case causes:
	}
	panic("BUG: closing: a cause that there isn't")
}

// OfTransport reports whether the cause is how TCP ended, or why it was given up.
func (c Cause) OfTransport() bool { return c.kind() == EOF.kind() }

// Reason is a cause and the error that tells it. The error is nil where the
// cause says it all.
type Reason struct {
	Cause Cause
	Err   error
}

// Reasons are all that brought an end about, in the order in which it happened.
type Reasons []Reason

// Add appends a reason.
func (r *Reasons) Add(c Cause, err error) { *r = append(*r, Reason{c, err}) }

// First is the first cause that happened.
func (r Reasons) First() Cause {
	for _, reason := range r {
		if reason.Cause != Words {
			return reason.Cause
		}
	}
	return NoCause
}

// Has reports whether the cause is among them.
func (r Reasons) Has(c Cause) bool {
	return slices.ContainsFunc(r, func(reason Reason) bool { return reason.Cause == c })
}

// Telling returns them with the most telling first.
func (r Reasons) Telling() Reasons {
	sorted := slices.Clone(r)
	slices.SortStableFunc(sorted, func(a, b Reason) int { return a.Cause.kind() - b.Cause.kind() })
	return sorted
}

// Tells reports whether the cause is no more telling than the other one.
func (c Cause) Tells(other Cause) bool { return c.kind() >= other.kind() }
