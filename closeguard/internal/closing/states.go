package closing

import (
	"fmt"
	"time"
)

// Stage is how far a connection is on its way to the end. It only grows.
type Stage uint8

// The stages.
const (
	Open      Stage = iota // nothing points to an end, but that the library may have half-closed
	Closing                // something does, and the library reads on
	Lingering              // the guard has taken over reading
	Ending                 // TCP is being closed
	Ended                  // TCP is closed, and nothing more will be known
	Reported               // the end is told

	stages // how many there are
)

// OutState is what has become of our Close.
type OutState uint8

// The states of our Close.
const (
	None    OutState = iota // there is none
	Pending                 // it waits for the end of a frame
	Sending                 // it is with the transport
	Unknown                 // it was with the transport when the connection was cut, which will tell
	Sent                    // it is on the wire
	Lost                    // it couldn't be sent

	outStates // how many there are
)

// Sender is who writes our Close.
type Sender uint8

// The senders.
const (
	Guard   Sender = iota
	Library        // in a call of its own
)

// Out is our Close.
type Out struct {
	State OutState
	By    Sender // of Sending
	Frame Frame
	at    time.Duration // when it was sent
	rest  []byte        // of its bytes, what the transport hasn't taken; nil before it took any
}

// EdgeState is where our side of the wire stands after the library was cut short.
type EdgeState uint8

// The edges.
const (
	Boundary EdgeState = iota // where the library's frames stand
	Rest                      // inside a frame of which the guard has the rest
	Owed                      // inside a frame of which the library has still to write the end
	Broken                    // inside a frame that can't be finished
)

// Edge is where our side of the wire stands, and what is left of the frame there.
type Edge struct {
	State EdgeState
	tail  []byte // what must leave before anything else; of Owed, as far as it has come
}

// ReaderState is who reads from the peer.
type ReaderState uint8

// The readers.
const (
	Reads    ReaderState = iota // the library, or nobody
	Wanted                      // the guard, as soon as the library doesn't
	Queued                      // the guard, when there is a goroutine for it
	Slice                       // the guard, now
	LastLook                    // the guard, once more before a limit ends the connection
	AwaitFIN                    // the guard: both Closes are there, and only the end of the stream is awaited

	readerStates // how many there are
)

// Reader is who reads from the peer.
type Reader struct {
	State ReaderState
	until time.Duration // of LastLook and AwaitFIN
	limit alarm         // of LastLook: that is over
	ended time.Duration // when our direction was ended for AwaitFIN, 0: it wasn't
}

// guard reports whether reading is the guard's.
func (r Reader) guard() bool { return r.State >= Queued }

// PanicState is what is known of a panic in the handler.
type PanicState uint8

// What is known.
const (
	NoPanic      PanicState = iota
	PanicAwaited            // it unwinds, and will be seen
	PanicKnown
)

// App is what the program does with the connection.
type App struct {
	Closed          bool // the library has closed its net.Conn
	Serving         bool // a handler is running: Closed is only a mark
	UnderMiddleware bool // the handler runs below the middleware, which would see it panic
	Panic           PanicState
}

// Gone reports whether the library is done with the connection.
func (a App) Gone() bool { return a.Closed && !a.Serving }

// Facts are what the machine can't know: who is at the two directions, where the
// library's frames stand, and what the program does.
type Facts struct {
	Reading  bool          // somebody is in a Read
	Writing  bool          // somebody is in a Write
	Between  bool          // the library's frames stand between two frames
	LastByte time.Duration // when the peer gave the last sign of life
	App      App
}

// Manner is how TCP is closed.
type Manner uint8

// The manners.
const (
	Orderly   Manner = iota // the transport's own Close
	Cut                     // FIN behind what was sent, and nobody waits for anything
	CutUnread               // Cut, and what has come is read: unread bytes would make it a reset
	ByReset                 // RST, at once
)

// Do is what an action does.
type Do uint8

// The actions.
const (
	Wait      Do = iota // nothing is to be done
	SendClose           // write Action.Bytes and then the Close with Action.Payload, and tell Wrote
	Linger              // read until the end, and tell what comes
	Look                // read what there is, and tell Looked
	HalfClose           // end our direction of the stream
	EndTCP              // close TCP as Action.How says, and tell TCPClosed
	Report              // tell the end
)

// Action is what follows. Each moves the machine on, so that none comes twice.
type Action struct {
	Do      Do
	How     Manner
	Bytes   []byte
	Payload []byte // nil where the Close is in Bytes
	Whole   bool   // the Close is in Bytes
}

// to grows the stage.
func (m *Machine) to(s Stage) {
	if s < m.stage {
		panic(fmt.Sprintf("BUG: closing: stage %d after stage %d", s, m.stage))
	}
	m.stage = s
}

// State is all that decides what follows, but for the facts.
type State struct {
	Stage  Stage
	Out    OutState
	Edge   EdgeState
	Reader ReaderState
}

// State is where the machine stands.
func (m *Machine) State() State { return State{m.stage, m.out.State, m.edge.State, m.reader.State} }

// Probe is told of each state that a machine is in, by tests that look which there
// are; nil otherwise.
var Probe func(State)

// Possible reports whether the states of the parts go together.
func (s State) Possible() bool {
	switch {
	case s.Stage == Open:
		return (s.Out == None || s.Out == Lost) && s.Reader <= Wanted // Lost: the library has half-closed
	case s.Reader >= Queued:
		return s.Stage >= Lingering && s.Out != None
	case s.Stage == Lingering:
		return false // somebody reads
	case s.Out == Unknown:
		return s.Stage == Closing || s.Stage == Ending
	case s.Out == Pending, s.Out == Sending:
		return s.Stage < Ended
	default:
		return true
	}
}

// String tells the state in tests.
func (s State) String() string {
	return [...]string{"open", "closing", "lingering", "ending", "ended", "reported"}[s.Stage] +
		", our Close " + [...]string{"none", "pending", "sending", "unknown", "sent", "lost"}[s.Out] +
		", edge " + [...]string{"boundary", "rest", "owed", "broken"}[s.Edge] +
		", reader " + [...]string{"library", "wanted", "queued", "slice", "last look", "FIN"}[s.Reader]
}
