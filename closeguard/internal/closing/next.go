package closing

import (
	"errors"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

// errUntold stands for what a Write would have told that never returned.
var errUntold = errors.New("closeguard: the transport's Write doesn't return")

// Next is what follows. Each action moves the machine on, so none comes twice.
func (m *Machine) Next(f Facts, now time.Duration) Action {
	a := m.next(f, now)
	if Probe != nil {
		Probe(m.State())
	}
	return a
}

func (m *Machine) next(f Facts, now time.Duration) Action {
	switch m.stage {
	case Open, Closing, Lingering:
		if a := m.sendOrLose(f); a.Do != Wait {
			return a
		}
		return m.endOrLinger(f, now)
	case Ended:
		if !f.App.Serving && !m.awaitsPanic(f.App, now) {
			m.to(Reported)
			return Action{Do: Report}
		}
		return Action{}
	case Ending, Reported:
		return Action{}
	case stages:
	}
	panic("BUG: closing: a stage that there isn't")
}

// sendOrLose sends the Close that waits as soon as the wire is between two frames
// (rule 9), and gives it up if it never will be.
func (m *Machine) sendOrLose(f Facts) Action {
	if m.out.State != Pending || f.Writing {
		return Action{}
	}
	switch m.edge.State {
	case Boundary, Rest:
		if m.out.rest != nil || m.edge.State == Rest || f.Between {
			return m.send()
		}
		if !f.App.Gone() {
			return Action{} // the library goes on with its frame
		}
	case Owed:
		if m.record.Down == nil || !f.App.Gone() {
			return Action{}
		}
	case Broken:
	}
	// In the middle of a frame that nobody finishes.
	m.lose()
	m.record.abort()
	m.why.Add(cause.FrameUnsent, nil)
	return Action{}
}

// send hands our Close to the transport, and before it what is left of a frame.
func (m *Machine) send() Action {
	a := Action{Do: SendClose}
	if m.out.rest != nil {
		a.Bytes, a.Whole = m.out.rest, true
	} else {
		a.Bytes, a.Payload = m.edge.tail, m.out.payload()
	}
	m.edge = Edge{}
	m.out.State, m.out.rest = Sending, nil
	return a
}

// endOrLinger ends the connection, or reads on for what must still come.
func (m *Machine) endOrLinger(f Facts, now time.Duration) Action {
	r := &m.record
	switch {
	case m.reader.State == LastLook && m.reader.until == 0:
		m.reader.until = now + LastWait
		return Action{Do: Look}
	case r.Aborted, m.limit != cause.None, m.out.State == Unknown:
		return m.end()
	case m.reader.State == LastLook && m.reader.limit == fin && r.Down == nil && m.line == up:
		return Action{} // it is looking
	case r.Answered() && r.Down == nil && m.line == up && (r.Role == Client || r.Trailing > 0 || r.BrokenClose != nil):
		return m.awaitFIN(now)
	case r.Answered():
		return m.end()
	case r.Received != nil && m.out.State == Lost:
		return m.end() // there is nothing to read for any more
	case r.Down != nil && !m.Busy() && (f.App.Gone() || r.Sent != nil || m.reader.State >= Wanted || m.together):
		return m.end()
	case r.Sent == nil && !m.Busy():
		return Action{} // the program's turn, see Due
	case !m.reader.guard() && (f.App.Gone() || m.reader.State == Wanted && !f.Reading):
		return m.linger()
	}
	return Action{}
}

// linger takes over reading: what comes is discarded until the peer's Close, the
// end of its stream or a limit, so that no reset destroys our Close on its way
// (rule 6).
func (m *Machine) linger() Action {
	m.reader.State = Queued
	m.to(Lingering)
	return Action{Do: Linger}
}

// awaitFIN waits for the end of the peer's stream when both Closes are there: a
// client lets the server go first, and bytes behind the peer's Close would turn
// our end of TCP into a reset. The peer may know at once that nothing follows.
func (m *Machine) awaitFIN(now time.Duration) Action {
	was := m.reader
	if was.State != AwaitFIN {
		m.reader = Reader{State: AwaitFIN, until: now + LastWait}
		m.to(Lingering)
	}
	switch {
	case !was.guard():
		return Action{Do: Linger}
	case (m.record.Trailing > 0 || m.record.BrokenClose != nil) && m.reader.ended == 0:
		m.reader.ended = now
		return Action{Do: HalfClose}
	}
	return Action{}
}

func (m *Machine) end() Action {
	m.to(Ending)
	how := m.how
	switch {
	case how != Orderly:
	case m.limit == cause.CloseBytes:
		how = CutUnread
	case m.record.Aborted, m.limit != cause.None:
		how = Cut
	}
	return Action{Do: EndTCP, How: how}
}

// awaitsPanic reports whether the end waits to be told for the panic of a handler
// whose deferred Close has ended the connection already. It waits no longer than
// a moment: the handler may still have much to do, and the panic need not be its own.
func (m *Machine) awaitsPanic(app App, now time.Duration) bool {
	return app.Panic == PanicAwaited && app.UnderMiddleware && now < m.closed+LastWait
}

// Whose turn it is where no alarm is needed.
const (
	ProgramsTurn   time.Duration = 0  // the library or the handler has a call to make, or is in one
	TransportsTurn time.Duration = -1 // the guard is in a call of the transport's that a timer of its own ends
)

// alarm is what the machine waits for no longer.
type alarm uint8

const (
	nothing    alarm = iota
	idle             // a byte of the peer's
	total            // the end of the closing handshake
	unread           // somebody who reads
	unlooked         // the last look
	forgotten        // a call of the program's
	fin              // the end of the peer's stream
	untold           // a Write's return though TCP is closed
	unpanicked       // a panic that unwinds
)

// Due is when the machine has to be told of the time by Tick if nothing happens
// before: a moment, or whose turn it is.
func (m *Machine) Due(f Facts) time.Duration {
	at, _ := m.due(f)
	return at
}

func (m *Machine) due(f Facts) (time.Duration, alarm) {
	switch m.stage {
	case Open:
		return ProgramsTurn, nothing
	case Closing, Lingering:
		return m.dueClosing(f)
	case Ending:
		if m.closed == 0 {
			return TransportsTurn, nothing
		}
		return m.closed + LastWait, untold
	case Ended:
		if f.App.Serving {
			return ProgramsTurn, nothing
		}
		return m.closed + LastWait, unpanicked
	case Reported:
		return ProgramsTurn, nothing
	case stages:
	}
	panic("BUG: closing: a stage that there isn't")
}

func (m *Machine) dueClosing(f Facts) (time.Duration, alarm) {
	switch m.reader.State {
	case AwaitFIN:
		return m.reader.until, fin
	case LastLook:
		return m.reader.until, unlooked
	case Reads, Wanted, Queued, Slice:
		switch m.out.State {
		case None, Lost:
			return m.dueForgotten(f)
		case Pending, Sending, Sent, Unknown:
			return m.dueLimits(f)
		case outStates:
		}
	case readerStates:
	}
	panic("BUG: closing: a state that there isn't")
}

// dueLimits is the earliest of the closing handshake's limits.
func (m *Machine) dueLimits(f Facts) (time.Duration, alarm) {
	at, what := max(f.LastByte, m.since, m.out.at)+m.limits.Idle, idle
	if t := m.since + m.limits.Total; t <= at {
		at, what = t, total
	}
	if !m.reader.guard() && !f.Reading {
		if t := max(m.read, m.since, m.out.at) + m.limits.Gap; t < at {
			at, what = t, unread
		}
	}
	return at, what
}

// dueForgotten is for a connection of which TCP has ended and the program makes
// no call any more. The peer's Close alone is no reason to hurry: the program may
// still have much to say before it answers.
func (m *Machine) dueForgotten(f Facts) (time.Duration, alarm) {
	if f.Reading || f.Writing || m.record.Down == nil {
		return ProgramsTurn, nothing
	}
	wait := m.limits.Total
	if m.line == gone || m.since != 0 { // nothing can come of it any more, or it is being closed
		wait = m.limits.Gap
	}
	return max(m.called, m.record.Began, f.LastByte) + wait, forgotten
}

// tick does what is due.
func (m *Machine) tick(f Facts, now time.Duration) {
	at, what := m.due(f)
	if what == nothing || now < at {
		return
	}
	switch what {
	case idle, total, fin:
		if m.reader.State == Queued || m.reader.State == AwaitFIN && !f.Reading {
			m.reader.State, m.reader.until, m.reader.limit = LastLook, 0, what
			return
		}
		m.over(what)
	case unlooked:
		m.over(m.reader.limit)
	case unread:
		m.reader.State = Wanted
	case forgotten:
		m.forget()
	case untold:
		m.wrote(Wrote{Reason: Reason{cause.Transport, errUntold}}, now)
	case unpanicked, nothing:
	}
}

// looked takes note that what there was has been read. If the limit holds all the
// same, the peer has had its time.
func (m *Machine) looked(f Facts, now time.Duration) {
	if m.reader.State != LastLook {
		return
	}
	m.reader.State = Queued
	switch at, what := m.due(f); {
	case m.reader.limit == fin:
		m.over(fin)
	case m.record.Answered(): // that was there
	case (what == idle || what == total) && now >= at:
		m.over(what)
	}
}

// over is what a limit of the guard's reading comes to.
func (m *Machine) over(limit alarm) {
	switch limit {
	case idle:
		m.expire(cause.CloseIdle)
	case total:
		m.expire(cause.CloseTimeout)
	case fin:
		m.line = gone // both Closes are there, and nobody is at fault
	case nothing, unread, unlooked, forgotten, untold, unpanicked:
		panic("BUG: closing: not a limit of reading")
	}
}

// forget ends a connection of which TCP has ended, whatever the program still does.
func (m *Machine) forget() {
	if m.record.Down != nil {
		m.lose()
		m.reader.State = max(m.reader.State, Wanted)
	}
}
