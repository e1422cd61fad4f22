package closing

import "github.com/closeguard/ws/closeguard/cause"

// Input is something that happened, one of the types below.
type Input interface{ input() }

// What comes from the peer, whoever reads it.
type (
	// TheirClose: the payload of a well-framed Close of the peer's is whole.
	TheirClose struct{ Payload []byte }

	// TheirFault: a header of the peer's breaks a rule, that of a Close or of
	// another frame. The violation's payload may still grow.
	TheirFault struct {
		Violation *Violation
		OfClose   bool
	}

	// Trailed: bytes came behind the peer's Close.
	Trailed struct{ Bytes int }

	// Heard: bytes came, so a deadline that passed before has no meaning any more.
	Heard struct{}

	// Discarded: the guard has read bytes that nobody gets.
	Discarded struct{ Bytes int }
)

// What becomes of TCP.
type (
	// ReadEnded: reading has come to an end, by EOF or a failure.
	ReadEnded struct{ Reason }

	// WriteFailed: a Write that was not our Close's failed for good.
	WriteFailed struct{ Reason }

	// TransportClosed: somebody has closed the transport below us.
	TransportClosed struct{ Reason }

	// RanOut: a call ran into a deadline of the program's, or its context has ended.
	RanOut struct{ Reason }

	// TCPClosed: what EndTCP asked for is done.
	TCPClosed struct{}
)

// What the library and the program do.
type (
	// LibraryClosed: the library has closed its net.Conn, and no handler runs.
	// Bare is what the peer is told if it was closed without a word, nil for
	// nothing. The reason counts if nothing else has ended the connection.
	LibraryClosed struct {
		Bare *Frame
		Reason
	}

	// LibraryHalfClosed: the library is about to end our direction of the stream, and
	// reads on. Bare is as in LibraryClosed. Cut says that it does so inside a frame of
	// which nobody writes the rest: no Close can leave before.
	LibraryHalfClosed struct {
		Bare *Frame
		Cut  bool
	}

	// HalfCloseRefused: the transport hasn't ended our direction.
	HalfCloseRefused struct{}

	// Called: a call of the library's has returned.
	Called struct{ Read bool }

	// ReadAgain: the library reads on after it was given the peer's Close. It has
	// used it up, and if it hasn't answered by now, it won't (rule 4).
	ReadAgain struct{}

	// Ask: a Close of ours is asked for. The reason counts if nothing has ended
	// the connection.
	Ask struct {
		Frame Frame
		Reason
		Insist   bool // it is remembered as intended even if TCP has ended
		Takeover bool // nobody will read on: the guard does as soon as nobody reads
	}

	// Joined: the connection is closed together with others.
	Joined struct{}

	// Told: somebody says more of why the connection ends.
	Told struct {
		Reason
		Behind cause.Cause // what this one has brought about, so that it counts no more
	}

	// Forget: a connection of which TCP has ended is not to wait for the program.
	Forget struct{}

	// CutOff: the connection is to end without a closing handshake.
	CutOff struct {
		How Manner
		Reason
	}

	// LimitReached: the connection has to go for the sake of others.
	LimitReached struct{ Limit cause.Cause }
)

// What becomes of our writing.
type (
	// Wrote: the Write of our Close has returned. Rest is what the transport
	// didn't take.
	Wrote struct {
		Reason      // nil: all is on the wire
		Later  bool // a deadline ended it, and the rest can be gone on with
		Broken bool // a deadline ended it, and the rest can't
		Rest   []byte
	}

	// FrameCut: the library was cut short inside a frame. Rest is what it has
	// handed over of it and the transport hasn't taken; Owed what it hasn't handed
	// over yet.
	FrameCut struct {
		Rest []byte
		Owed uint64
	}

	// WireBroken: a frame was cut that can't be finished.
	WireBroken struct{}

	// AtBoundary: the wire stands between two frames, although the library's
	// frames go on: what it writes is swallowed.
	AtBoundary struct{}

	// Disowned: the library won't hand over what it owes.
	Disowned struct{}
)

// What the guard's reading comes to, and time.
type (
	// SliceBegun and SliceOver: the guard reads, and others get their turn.
	SliceBegun struct{}
	SliceOver  struct{}

	// Looked: what there was has been read.
	Looked struct{ Facts Facts }

	// Tick: time has passed.
	Tick struct{ Facts Facts }
)

func (TheirClose) input()        {}
func (TheirFault) input()        {}
func (Trailed) input()           {}
func (Heard) input()             {}
func (Discarded) input()         {}
func (ReadEnded) input()         {}
func (WriteFailed) input()       {}
func (TransportClosed) input()   {}
func (RanOut) input()            {}
func (TCPClosed) input()         {}
func (LibraryClosed) input()     {}
func (LibraryHalfClosed) input() {}
func (HalfCloseRefused) input()  {}
func (Called) input()            {}
func (ReadAgain) input()         {}
func (Ask) input()               {}
func (Joined) input()            {}
func (Told) input()              {}
func (Forget) input()            {}
func (CutOff) input()            {}
func (LimitReached) input()      {}
func (Wrote) input()             {}
func (FrameCut) input()          {}
func (WireBroken) input()        {}
func (AtBoundary) input()        {}
func (Disowned) input()          {}
func (SliceBegun) input()        {}
func (SliceOver) input()         {}
func (Looked) input()            {}
func (Tick) input()              {}
