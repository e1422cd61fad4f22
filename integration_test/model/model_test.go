package model

import (
	"bytes"
	"fmt"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// model is a connection as the rules tell it, seen from outside: what left,
// what came, what ended it, and what is due. It stands for lives in which whole
// frames are written, the peer reads all the time, and one thing happens after
// the other.
type model struct {
	setting
	now time.Duration

	// The peer's side.
	queue []rawpeer.Frame // written and not yet read
	over  bool            // its stream has ended behind them
	fin   bool            // and did so before there was a reset
	reset bool            // with a reset

	// The library and the program.
	pumps    bool // it reads all the time
	closed   bool // it has closed
	failed   bool // a Write of its failed, and it writes no more
	serving  bool // under a handler: closing is only a mark
	takeover bool // CloseWith waits
	together bool // closed with others: a shutdown, a kick

	// What crossed, in order.
	first                    string
	sent, received, intended *closeguard.CloseFrame
	illegal                  bool
	reply                    closeguard.CloseFrame // what the guard answers to received
	raw                      []byte                // received's payload
	fault                    bool                  // the peer broke a rule of framing
	brokenClose              bool                  // with a Close
	down, aborted            bool
	lost                     bool // a Close of the library's came too late: nothing follows it

	// Times of rule 7.
	since, left, lastByte, lastRead, lastData time.Duration
	called                                    time.Duration // the last call of the library's returned
	readEnd, dead                             bool          // reading has come to its end; nor can anything be written
	closing, draining, late                   bool
	lasting                                   time.Duration // the end of the wait for the end of TCP, 0: not yet

	ended   bool
	endedAt time.Duration
	leaves  []string // frames that left
}

// The frames for ends of lifetimes.
var lifetimes = map[error]closeguard.CloseFrame{
	closeguard.ErrMaxAge:      {Code: 4001, Reason: "age"},
	closeguard.ErrIdleTimeout: {Code: 4002, Reason: "idle"},
}

// The program's moves.

// closes is the library's Close of the net.Conn (rule 5).
func (m *model) closes() {
	if m.closed {
		return
	}
	m.closed = true
	if m.serving {
		if m.pumps { // its Read is woken
			m.pumps, m.lastRead = false, m.now
		}
		return
	}
	m.silent(m.bare())
	m.settle()
}

// silent: no TCP is closed without a Close, unless it is at an end.
func (m *model) silent(bare closeguard.CloseFrame) {
	switch {
	case m.sent != nil || m.aborted || m.down && m.sent == nil:
		if m.sent == nil {
			m.aborts()
		}
	case m.received != nil:
		m.sends(m.reply)
	case m.fault:
		m.sends(closeguard.CloseFrame{Code: 1002})
	case bare.Code == closeguard.NoClose:
		m.aborts()
	default:
		m.sends(bare)
	}
}

func (m *model) bare() closeguard.CloseFrame {
	if m.opts.BareClose == 0 {
		return closeguard.CloseFrame{Code: closeguard.NoClose}
	}
	return closeguard.CloseFrame{Code: m.opts.BareClose}
}

// asks is a Close that the program asks the guard for, legal or not.
func (m *model) asks(f closeguard.CloseFrame) {
	switch {
	case m.ended || m.sent != nil:
	case m.down || m.aborted:
		m.intends(f)
	case m.received != nil:
		m.sends(m.reply)
	default:
		if !valid(f, m.role) {
			m.intends(f)
			f = f.Fit(m.role)
		}
		m.sends(f)
	}
}

func (m *model) intends(f closeguard.CloseFrame) {
	if m.received == nil && m.intended == nil {
		m.intended = &f
	}
}

// closesWith is CloseWith with a legal frame.
func (m *model) closesWith(f closeguard.CloseFrame) {
	if !valid(f, m.role) || m.ended {
		return
	}
	m.asks(f)
	m.takeover = true
	m.settle()
}

// closesInRound is a shutdown or a kick.
func (m *model) closesInRound(f closeguard.CloseFrame) {
	if m.ended {
		return
	}
	m.together = true
	if !m.down {
		m.asks(f)
	}
	m.settle()
}

// returns is a handler's return.
func (m *model) returns(f closeguard.CloseFrame) {
	if !m.serving {
		return
	}
	m.serving = false
	if !m.down && !m.ended {
		m.asks(f)
	}
	m.closed = true
	m.settle()
}

func (m *model) returnsNil() { m.returns(m.faultOr(closeguard.CloseFrame{Code: 1000})) }

// faultOr: what a handler doesn't choose is 1002 where the peer broke a rule of
// framing, for which the library has sent nothing (rule 5).
func (m *model) faultOr(f closeguard.CloseFrame) closeguard.CloseFrame {
	if m.fault {
		return closeguard.CloseFrame{Code: 1002}
	}
	return f
}

// aborts ends TCP without more ado.
func (m *model) aborts() {
	m.aborted = true
	m.begins("dropped")
}

// abort is Abort, and CloseNow where no Close is.
func (m *model) abort() {
	if !m.ended {
		m.aborts()
		m.settle()
	}
}

func (m *model) begins(who string) {
	if m.first == "" {
		m.first = who
	}
}

// sends puts a Close on the wire: nothing is in its way, but for a reset.
func (m *model) sends(f closeguard.CloseFrame) {
	switch {
	case m.sent != nil:
		return
	case m.reset:
		m.since, m.lastRead, m.closing = m.now, m.now, true
		m.intends(f)
		m.fails()
		return
	}
	m.sent = &f
	m.leaves = append(m.leaves, rawpeer.ClosePayload(payload(f)).String())
	m.begins("local")
	m.since, m.left, m.closing = m.now, m.now, true
	m.lastRead = m.now
}

// fails: the transport has ended, as a Read or a Write finds.
func (m *model) fails() {
	m.down = true
	m.begins("dropped")
}

// The library's moves.

// writes is a whole frame of the library's.
func (m *model) writes(f rawpeer.Frame) {
	if !m.failed {
		m.called = m.now
	}
	switch {
	case m.closed || m.ended || m.sent != nil || m.lost || m.failed:
	case f.Opcode == rawpeer.OpClose:
		m.writesClose(f)
	case m.reset:
		m.dead = m.dead || m.readEnd
		m.fails()
	default:
		m.leaves = append(m.leaves, f.String())
		if f.Opcode < 8 {
			m.lastData = m.now
		}
	}
	m.failed = m.failed || m.reset && m.down
	m.settle()
}

// refuses reports whether a Write fails because it comes too late: after our
// Close everything but pongs and Closes, which are swallowed (rule 3), and all
// after the library's own end.
func (m *model) refuses(f rawpeer.Frame) (refused, known bool) {
	switch {
	case m.ended || m.failed || m.down || m.reset:
		return false, false // the transport tells
	case m.closed:
		return true, true
	default:
		return m.sent != nil && f.Opcode != rawpeer.OpPong && f.Opcode != rawpeer.OpClose, true
	}
}

// writesClose is a Close of the library's: what is illegal is replaced (rule 2),
// and so is the echo of something illegal (rule 4).
func (m *model) writesClose(f rawpeer.Frame) {
	said, err := closeguard.ParseCloseFrame(f.Payload)
	legal := err == nil && valid(said, m.role)
	switch {
	case m.received == nil && m.aborted:
		m.lost = true
		m.intends(said)
	case m.received == nil && legal:
		m.sends(said)
	case m.received == nil:
		m.intends(said)
		m.sends(said.Fit(m.role))
	case m.illegal && (err != nil || said.Code == m.received.Code && bytes.HasPrefix(m.raw, f.Payload)),
		m.received.Code == 1014 && said == gorillas:
		m.sends(m.reply)
	case legal, err == nil && said.Code == m.received.Code: // as 1010 from a server
		m.sends(said)
	default:
		m.sends(said.Fit(m.role))
	}
}

// gorillas is what gorilla/websocket answers to 1014, which it doesn't know.
var gorillas = closeguard.CloseFrame{Code: 1002, Reason: "bad close code 1014"}

// reads is one Read of the library's, large enough for all that is there.
func (m *model) reads() {
	m.called = m.now
	if m.closed || m.ended || m.draining || m.lasting != 0 {
		return
	}
	if m.received != nil && m.sent == nil && !m.down {
		m.sends(m.reply)
	} else if len(m.queue) > 0 || m.over {
		m.takes(false)
	}
	m.settle()
}

// takes consumes what the peer has sent; again: until nothing is left.
func (m *model) takes(again bool) {
	if len(m.queue) > 0 {
		m.lastByte = m.now
		for i, f := range m.queue {
			m.comes(f, i == len(m.queue)-1)
		}
		m.queue = nil
		m.lastRead = m.now
		if !again {
			return
		}
	}
	if m.over {
		m.dead = m.dead || m.reset && !m.fin || m.down && !m.readEnd
		m.fails()
		m.lastRead, m.called, m.readEnd = m.now, m.now, true
	}
}

// comes is a frame of the peer's that is read.
func (m *model) comes(f rawpeer.Frame, last bool) {
	if m.received != nil {
		m.late = true
		return
	}
	if f.Opcode < 8 {
		m.lastData = m.now
	}
	if f.Opcode == 3 || f.Bare || f.RSV != 0 || f.Opcode == rawpeer.OpClose && !f.Fin {
		m.fault = true
		m.brokenClose = m.brokenClose || f.Opcode == rawpeer.OpClose
		return
	}
	if f.Opcode != rawpeer.OpClose {
		return
	}
	said := readClosing(f, 0)
	m.received = &closeguard.CloseFrame{Code: closeguard.Code(said.code), Reason: said.reason}
	m.raw, m.reply = f.Payload, *m.received
	switch {
	case said.legal:
	case said.utf8 || !mayBeSent(said.code):
		m.illegal, m.reply = true, closeguard.CloseFrame{Code: 1002}
	default:
		m.illegal, m.reply = true, closeguard.CloseFrame{Code: 1007}
		m.received.Reason = "\uFFFD"
	}
	m.begins("peer")
	m.late = !last
}

// settle does what follows at once.
func (m *model) settle() {
	for before := ""; before != m.state(); {
		before = m.state()
		m.step()
	}
}

func (m *model) state() string {
	return fmt.Sprint(len(m.queue), m.first, m.sent != nil, m.received != nil, m.down, m.draining, m.lasting, m.ended)
}

func (m *model) step() {
	complete := m.sent != nil && (m.received != nil || m.brokenClose)
	gone := m.closed && !m.serving
	switch {
	case m.ended:
	case m.aborted:
		m.ends()
	case complete && m.lasting != 0:
		m.discards()
	case complete && !m.down && (m.role == closeguard.Client || m.late || m.brokenClose):
		m.draining, m.lasting = true, m.now+lasts
	case complete:
		m.ends()
	case m.down && (gone || m.sent != nil || m.takeover || m.together):
		m.ends()
	case m.sent != nil && !m.draining && (gone || m.takeover && !m.pumps):
		m.draining = true
	case m.draining:
		m.takes(true)
		if m.over && m.sent == nil {
			m.ends()
		}
	case m.pumps && !m.closed && m.received != nil && m.sent == nil && !m.down:
		m.sends(m.reply)
	case m.pumps && !m.closed:
		m.takes(false)
		if m.down {
			m.pumps = false
		}
	}
}

// discards is what is read while only the end of TCP is awaited.
func (m *model) discards() {
	if len(m.queue) > 0 {
		m.lastByte = m.now
		for i, f := range m.queue { // behind a broken Close there may be a whole one
			m.comes(f, i == len(m.queue)-1)
		}
		m.queue = nil
	}
	if m.over {
		m.ends()
	}
}

func (m *model) ends() {
	m.ended, m.endedAt = true, m.now
	m.pumps = false
}

// passes lets time pass, and what is due happen.
func (m *model) passes(d time.Duration) {
	for until := m.now + d; ; {
		at, what := m.due()
		if what == nil || at > until {
			m.now = until
			return
		}
		m.now = max(m.now, at)
		what()
		m.settle()
	}
}

// due is what happens next if nobody does anything.
func (m *model) due() (at time.Duration, what func()) {
	earlier := func(when time.Duration, do func()) {
		if what == nil || when < at {
			at, what = when, do
		}
	}
	if m.opts.MaxAge > 0 && !m.ended && !m.closing && m.lasting == 0 {
		earlier(m.opts.MaxAge, m.tooOld)
	}
	switch {
	case m.ended:
	case m.lasting != 0:
		earlier(m.lasting, m.ends)
	case m.closing && (!m.down || m.sent != nil):
		earlier(max(m.lastByte, m.since)+m.closeIdle(), m.ends)
		earlier(m.since+m.closeTimeout(), m.ends)
		if !m.draining && !m.pumps {
			earlier(max(m.lastRead, m.since)+min(time.Second, m.closeIdle()/2), func() { m.draining = true })
		}
	case m.down && !m.pumps:
		// The program has forgotten it.
		wait := m.closeTimeout()
		if m.dead || m.closing {
			wait = min(time.Second, m.closeIdle()/2)
		}
		earlier(max(m.called, m.lastByte)+wait, m.ends)
	case m.first == "":
		if m.opts.IdleTimeout > 0 {
			earlier(m.lastData+m.opts.IdleTimeout, func() { m.asks(lifetimes[closeguard.ErrIdleTimeout]) })
		}
	}
	return at, what
}

// tooOld: MaxAge holds until the very end.
func (m *model) tooOld() {
	if m.down {
		m.ends()
	} else {
		m.asks(lifetimes[closeguard.ErrMaxAge])
	}
}

func valid(f closeguard.CloseFrame, role closeguard.Role) bool {
	return f.Validate(role) == nil
}

// payload is a legal frame's.
func payload(f closeguard.CloseFrame) []byte {
	if f.Code == 1005 {
		return nil
	}
	return append([]byte{byte(f.Code >> 8), byte(f.Code)}, f.Reason...)
}
