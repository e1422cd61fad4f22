package closing

import (
	"fmt"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Limits are what bounds a closing handshake. All connections of a guard share
// them.
type Limits struct {
	Idle  time.Duration // from our Close on, without a byte of the peer's
	Total time.Duration // from when our Close is due
	Gap   time.Duration // how long it may stay unread before the guard reads
	Bytes int64         // discarded
}

const (
	// LastWait is how long the guard waits, with both Closes there, for the end
	// of the peer's stream; once TCP is closed, for a Write that is still under
	// way; and at the end, for a panic that unwinds.
	LastWait = time.Second

	// MaxTail is how much of a frame the guard writes to the end for a library
	// that closed in the middle of it (rule 9).
	MaxTail = 64 << 10
)

// Machine is the closing handshake of one connection: what has happened, and
// what follows. Tell it what happens by On, and carry out what Next returns until
// that is Wait. It is needed from the moment that something points to an end;
// what a nil Machine says is true of an open connection.
type Machine struct {
	limits *Limits
	record Record
	why    Reasons

	out      Out
	edge     Edge
	reader   Reader
	stage    Stage
	line     line
	how      Manner
	limit    cause.Cause // that it reached, None: none
	together bool        // it is closed with others
	gaveUp   Reason      // the deadline or the context after which the program closed

	// What came while our Close was with the transport: whether it was the
	// first, or an answer, is known when that Write has returned.
	crossed      []byte // a Close's payload; nil: none has come
	crossedByEnd ReadEnded

	since  time.Duration // when our Close was due, 0: it isn't
	read   time.Duration // when the last Read of the library's returned
	called time.Duration // when the last call of the library's returned

	discarded int64
	closed    time.Duration // when TCP was closed, 0: it isn't
}

// line is what TCP still does.
type line uint8

const (
	up        line = iota
	readEnded      // the peer's stream has ended
	writeDied      // writing has failed
	gone           // neither way
)

// Open makes m the machine of an open connection. It is not handed out by value, as
// Record isn't.
func (m *Machine) Open(role Role, limits *Limits) {
	m.limits, m.record.Role = limits, role
}

// Record is what crossed so far, to be read: it changes with the machine. It is
// not handed out by value because that takes more of the stack than all else on an
// idle connection's way.
func (m *Machine) Record() *Record {
	if m == nil {
		return &nothingCrossed
	}
	return &m.record
}

var nothingCrossed Record

// Why is what has brought the end about so far.
func (m *Machine) Why() Reasons {
	if m == nil {
		return nil
	}
	return m.why
}

// Stage is how far the connection is on its way to the end.
func (m *Machine) Stage() Stage {
	if m == nil {
		return Open
	}
	return m.stage
}

// Out is the state of our Close.
func (m *Machine) Out() OutState {
	if m == nil {
		return None
	}
	return m.out.State
}

// Edge is where our side of the wire stands.
func (m *Machine) Edge() EdgeState {
	if m == nil {
		return Boundary
	}
	return m.edge.State
}

// Reader is who reads from the peer.
func (m *Machine) Reader() ReaderState {
	if m == nil {
		return Reads
	}
	return m.reader.State
}

// Limit is the limit of the closing handshake that was reached, None if none.
func (m *Machine) Limit() cause.Cause {
	if m == nil {
		return cause.None
	}
	return m.limit
}

// Since is when our Close was due, 0 if it isn't.
func (m *Machine) Since() time.Duration {
	if m == nil {
		return 0
	}
	return m.since
}

// ClosedAt is when TCP was closed, 0 if it isn't.
func (m *Machine) ClosedAt() time.Duration {
	if m == nil {
		return 0
	}
	return m.closed
}

// Busy reports whether our Close waits for its turn, or is with the transport.
func (m *Machine) Busy() bool { return m.Out() == Pending || m.Out() == Sending }

// MayBegin reports whether a Close of ours may still begin: none has, and TCP
// stands. It is the one place that says so.
func (m *Machine) MayBegin() bool {
	return m == nil ||
		m.stage < Ending && m.out.State == None && m.record.Sent == nil && m.record.Down == nil && !m.record.Aborted
}

// GuardSends reports whether the guard is writing our Close.
func (m *Machine) GuardSends() bool {
	return m != nil && m.out.State == Sending && m.out.By == Guard
}

// TakesNoMore reports whether what the library writes comes too late: our Close
// is out, on its way, or lost.
func (m *Machine) TakesNoMore() bool {
	return m != nil && (m.record.Sent != nil || m.out.rest != nil || m.out.State == Lost || m.out.State == Sending && m.out.By == Guard)
}

// HalfClosed reports whether the library has ended our direction of the stream without
// a Close, and nothing has come since that ends the connection.
func (m *Machine) HalfClosed() bool {
	return m != nil && m.out.State == Lost && m.record.Open()
}

// TheirCloseCame reports whether the peer's Close is whole.
func (m *Machine) TheirCloseCame() bool {
	return m != nil && (m.record.Received != nil || m.crossed != nil)
}

// CloseCut reports whether bytes of ours wait that must leave before anything else.
func (m *Machine) CloseCut() bool {
	return m != nil && (len(m.edge.tail) > 0 || m.out.rest != nil)
}

// On takes what has happened.
func (m *Machine) On(in Input, now time.Duration) {
	switch in := in.(type) {
	case TheirClose, TheirFault, Trailed, Heard, Discarded, SliceBegun, SliceOver, Looked:
		m.onRead(in, now)
	case Wrote, FrameCut, WireBroken, AtBoundary, Disowned:
		m.onWrite(in, now)
	case ReadEnded:
		m.called = now
		m.readEnded(in)
	case WriteFailed:
		m.called = now
		m.writeFailed(in.Reason)
	case TransportClosed:
		m.transportClosed(in.Reason)
	case RanOut:
		m.record.TimedOut = in.Reason
	case TCPClosed:
		m.tcpClosed(now)
	case Tick:
		m.tick(in.Facts, now)
	default:
		m.onProgram(in, now)
	}
	if m.stage == Open && (!m.record.Open() || m.out.State != None && !m.HalfClosed()) {
		m.to(Closing)
	}
}

// onRead takes what comes from the peer.
func (m *Machine) onRead(in Input, now time.Duration) {
	switch in := in.(type) {
	case TheirClose:
		m.theirClose(in, now)
	case TheirFault:
		m.theirFault(in)
	case Trailed:
		m.record.Trailing += int64(in.Bytes)
	case Heard:
		if m.record.Open() {
			m.record.TimedOut = Reason{}
		}
	case Discarded:
		m.discard(in.Bytes)
	case SliceBegun:
		if m.reader.State == Queued {
			m.reader.State = Slice
		}
	case SliceOver:
		if m.reader.State == Slice {
			m.reader.State = Queued
		}
	case Looked:
		m.looked(in.Facts, now)
	}
}

// onWrite takes what becomes of our writing.
func (m *Machine) onWrite(in Input, now time.Duration) {
	switch in := in.(type) {
	case Wrote:
		m.wrote(in, now)
	case FrameCut:
		m.frameCut(in)
	case WireBroken:
		m.edge = Edge{State: Broken}
	case AtBoundary:
		if m.edge.State == Boundary {
			m.edge.State = Rest
		}
	case Disowned:
		if m.edge.State == Owed && len(m.edge.tail) == 0 {
			m.edge.State = Boundary
		}
	}
}

// onProgram takes what the library and the program do.
func (m *Machine) onProgram(in Input, now time.Duration) {
	switch in := in.(type) {
	case LibraryClosed:
		m.libraryClosed(in, now)
	case LibraryHalfClosed:
		m.halfClose(in, now)
	case HalfCloseRefused:
		if m.HalfClosed() {
			m.out.State, m.line = None, up
		}
	case Called:
		m.called = now
		if in.Read {
			m.read = now
		}
	case ReadAgain:
		m.readAgain(now)
	case Ask:
		m.ask(in, now)
	case Joined:
		m.together = true
	case Told:
		m.why.Remove(in.Behind)
		m.told(in.Reason)
	case Forget:
		m.forget()
	case CutOff:
		m.cutOff(in)
	case LimitReached:
		m.expire(in.Limit)
	default:
		panic(fmt.Sprintf("BUG: closing: an input that there isn't: %T", in))
	}
}

// crossing reports whether what comes now may be the answer to a Close of ours
// that is with the transport.
func (m *Machine) crossing() bool {
	return m.record.Open() && (m.out.State == Sending || m.out.State == Unknown)
}

func (m *Machine) theirClose(in TheirClose, now time.Duration) {
	switch {
	case m.stage >= Ended:
	case m.crossing():
		m.crossed = append(make([]byte, 0, len(in.Payload)), in.Payload...)
	default:
		m.sawClose(in.Payload, now)
	}
}

func (m *Machine) sawClose(payload []byte, now time.Duration) {
	m.whyUnanswered()
	m.record.sawClose(payload, now)
	if m.record.Illegal != nil {
		m.why.Add(cause.ProtocolError, m.record.Illegal)
	}
}

func (m *Machine) theirFault(in TheirFault) {
	if m.record.Fault == nil {
		m.why.Add(cause.ProtocolError, in.Violation)
	}
	m.record.sawFault(in.Violation, in.OfClose)
}

func (m *Machine) discard(n int) {
	if m.out.at == 0 {
		return // until our Close is out the other limits hold
	}
	if m.discarded += int64(n); m.discarded > m.limits.Bytes && m.stage < Ending {
		if m.record.Answered() {
			m.line = gone // enough of waiting for its end
		} else {
			m.expire(cause.CloseBytes)
		}
	}
}

func (m *Machine) readEnded(in ReadEnded) {
	switch {
	case m.stage >= Ending: // it says nothing of the peer
	case m.crossing():
		m.crossedByEnd = in
	default:
		m.endOfReading(in.Reason)
	}
}

func (m *Machine) endOfReading(r Reason) {
	if m.reader.ended == 0 { // else it only follows our own end
		m.sawEnd(r)
	}
	if r.Cause == cause.EOF && m.line <= readEnded {
		m.line = readEnded
	} else {
		m.line = gone
	}
	if m.reader.guard() && m.out.State == Pending {
		m.lose() // it waits for the end of a frame, to a peer that is gone
	}
}

func (m *Machine) writeFailed(r Reason) {
	if m.stage >= Ending || m.HalfClosed() { // it was our end that it ran into
		return
	}
	m.sawEnd(r)
	switch m.line {
	case up, writeDied:
		m.line = writeDied
	case readEnded, gone:
		m.line = gone
	}
}

func (m *Machine) sawEnd(r Reason) {
	m.whyUnanswered()
	if m.record.Down == nil {
		m.why.Add(r.Cause, r.Err)
	}
	m.record.sawEnd(r.Err)
}

func (m *Machine) transportClosed(r Reason) {
	if m.stage < Ending {
		m.sawEnd(r)
		m.lose()
		m.record.abort()
	}
}

// replay takes what came while our Close was with the transport.
func (m *Machine) replay(now time.Duration) {
	if m.crossed != nil {
		m.sawClose(m.crossed, now)
		m.crossed = nil
	}
	if in := m.crossedByEnd; in.Err != nil {
		m.crossedByEnd = ReadEnded{}
		m.endOfReading(in.Reason)
	}
}

func (m *Machine) libraryClosed(in LibraryClosed, now time.Duration) {
	if !m.MayBegin() && !m.HalfClosed() {
		return
	}
	if m.record.Open() && m.record.TimedOut == (Reason{}) && in.Cause != cause.None {
		m.why.Add(in.Cause, in.Err)
	}
	m.noteGivingUp()
	if f, ok := m.record.bareAnswer(in.Bare); ok && !m.HalfClosed() {
		m.begin(m.record.ours(f), now)
	} else {
		m.record.abort()
	}
}

// halfClose ends our direction: no Close of ours can follow, unless one is due first.
func (m *Machine) halfClose(in LibraryHalfClosed, now time.Duration) {
	if !m.MayBegin() {
		return
	}
	if f, ok := m.record.bareAnswer(in.Bare); ok && !in.Cut && m.edge.State != Broken {
		if m.record.Open() {
			m.why.Add(cause.BareClose, nil)
		}
		m.begin(m.record.ours(f), now)
		return
	}
	m.out.State, m.line = Lost, writeDied
}

// whyUnanswered adds, where the library has half-closed, why the peer got no Close.
func (m *Machine) whyUnanswered() {
	if m.HalfClosed() {
		m.why.Add(cause.BareClose, nil)
	}
}

func (m *Machine) readAgain(now time.Duration) {
	if m.record.Received != nil && m.MayBegin() {
		m.begin(m.record.ours(m.record.Answer()), now)
	}
}

func (m *Machine) ask(in Ask, now time.Duration) {
	if in.Takeover && m.reader.State == Reads {
		m.reader.State = Wanted
	}
	switch {
	case m.MayBegin():
		if in.Cause == cause.None {
			m.noteGivingUp()
		} else if m.record.Open() {
			m.why.Add(in.Cause, in.Err)
		}
		m.begin(m.record.ours(in.Frame), now)
	case m.HalfClosed(): // the peer can't be told
		m.told(in.Reason)
		m.whyUnanswered()
		m.record.intend(in.Frame, in.Frame.Check(m.record.Role) == nil)
		m.record.abort()
	case in.Insist && m.stage < Ending && !m.Busy():
		m.record.ours(in.Frame)
	}
}

func (m *Machine) told(r Reason) {
	if m.stage < Reported && r != (Reason{}) {
		m.why.Add(r.Cause, r.Err)
	}
}

// noteGivingUp takes note, when the program or its library closes, of the deadline
// or the context that has just ended a call: that is why it does, unless something
// else happened before.
func (m *Machine) noteGivingUp() {
	if f := m.why.first(); m.record.Open() && (f == cause.None || f == cause.HandlerError) {
		m.gaveUp = m.record.TimedOut
	}
}

// begin puts a Close of ours on its way, unless the verdict is that none leaves.
func (m *Machine) begin(v Verdict, now time.Duration) {
	if v.Send {
		m.out = Out{State: Pending, Frame: v.Frame}
		m.startClock(now)
	}
}

// startClock begins to count the limits of the closing handshake (rule 7).
func (m *Machine) startClock(now time.Duration) {
	if m.since == 0 {
		m.since, m.read = now, now
	}
}

// Outgoing decides on a Close that the library writes, given its payload. If it
// is to be sent, the caller does so, and tells Wrote. Where the rest of a frame must
// leave first the guard sends both, as a Close of its own.
func (m *Machine) Outgoing(payload []byte, now time.Duration) Verdict {
	m.noteGivingUp()
	v := m.record.outgoing(payload)
	if !v.Send {
		if m.out.State == None {
			m.out = Out{State: Lost} // and with it all that follows it
		}
		return v
	}
	m.begin(v, now)
	if m.stage == Open {
		m.to(Closing)
	}
	if m.edge.State == Rest {
		return Verdict{}
	}
	m.out.State, m.out.By = Sending, Library
	return v
}

// wrote takes what became of the Write of our Close.
func (m *Machine) wrote(in Wrote, now time.Duration) {
	cut := m.out.State == Unknown
	if m.closed != 0 {
		now = m.closed // a Write that returns later has done its work before
	}
	switch {
	case !cut && m.out.State != Sending:
		return
	case in.Err == nil:
		m.out.State, m.out.at, m.out.rest = Sent, now, nil
		m.record.sentClose(m.out.Frame, now)
	case cut:
		m.replay(now)
		m.lose()
	case in.Later:
		m.out.State, m.out.rest = Pending, in.Rest
	case in.Broken:
		m.out.State = Pending
		m.edge = Edge{State: Broken}
	default:
		m.replay(now)
		m.writeFailed(in.Reason)
		m.lose()
	}
	m.replay(now)
	if cut {
		m.giveUp()
		m.finish()
	}
}

// frameCut takes note of what is left of the frame that the library was in when
// it was cut short. It may come in pieces.
func (m *Machine) frameCut(in FrameCut) {
	switch {
	case m.edge.State == Broken:
	case uint64(len(m.edge.tail))+uint64(len(in.Rest))+in.Owed > MaxTail:
		m.edge = Edge{State: Broken}
	default:
		m.edge.tail = append(m.edge.tail, in.Rest...)
		switch {
		case in.Owed > 0:
			m.edge.State = Owed
		case len(m.edge.tail) > 0:
			m.edge.State = Rest
		default:
			m.edge.State = Boundary
		}
	}
}

// cutOff ends the connection without a closing handshake.
func (m *Machine) cutOff(in CutOff) {
	if m.stage >= Ending {
		return
	}
	m.how = in.How
	m.told(in.Reason)
	m.giveUp()
}

// expire ends it at a limit.
func (m *Machine) expire(limit cause.Cause) {
	if m.stage >= Ending || m.limit != cause.None {
		return
	}
	m.limit = limit
	m.why.Add(limit, nil)
	m.giveUp()
}

// giveUp decides what becomes of a Close of ours that is not out when the
// connection is cut short. Of one that is with the transport this is known only
// when its Write returns, which it does once TCP is closed.
func (m *Machine) giveUp() {
	if m.out.State == Sending {
		m.out.State = Unknown
		return
	}
	m.lose()
	if m.limit == cause.None || m.record.Sent == nil {
		m.record.abort()
	}
}

// lose gives up a Close that is not out.
func (m *Machine) lose() {
	if s := m.out.State; s == Pending || s == Sending || s == Unknown {
		m.record.intend(m.out.Frame, true)
		m.out.State, m.out.rest = Lost, nil
	}
}

func (m *Machine) tcpClosed(now time.Duration) {
	if m.closed == 0 {
		m.closed = now
	}
	m.finish()
}

// finish fixes the end: TCP is closed, and what became of our Close is known.
func (m *Machine) finish() {
	if m.stage == Ending && m.closed != 0 && m.out.State != Unknown {
		m.to(Ended)
	}
}

// Sent takes note of a Close that left in a way that the machine doesn't see.
func (m *Machine) Sent(f Frame, now time.Duration) {
	m.record.sentClose(f, now)
	m.out = Out{State: Sent, Frame: f, at: now}
	if m.stage == Open {
		m.to(Closing)
	}
}

// Conclude ends a connection of which there is no TCP to close.
func (m *Machine) Conclude(now time.Duration) {
	if m.stage < Ending {
		m.to(Ending)
	}
	m.tcpClosed(now)
}

// payload of our Close.
func (o *Out) payload() []byte {
	return o.Frame.AppendPayload(make([]byte, 0, wire.MaxControl))
}
