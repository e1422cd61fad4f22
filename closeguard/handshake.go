package closeguard

import (
	"bytes"
	"time"
)

// party is who brought a connection's ending about.
type party uint8

const (
	nobody      party = iota // the connection is open
	byPeer                   // its Close came first
	byUs                     // our Close went out first
	byTransport              // TCP ended first, or we aborted it
)

// handshake is the closing handshake of one connection: which Close frames
// went over the wire, in which order, and how TCP ended. Whoever sees a thing
// happen says so, and asks what follows; the answers are the rules 1 to 5 of
// what may be sent. It does no I/O and knows no clock: times are given to it.
type handshake struct {
	role  Role
	first party // fixed once

	sent, received, intended *CloseFrame
	misfit                   bool // intended was illegal

	illegal  *FrameError // the payload of received broke this rule
	fault    *FrameError // the first header of the peer's that broke a rule
	down     error       // how the transport ended: EOF, reset, write failure
	timedOut error       // the last Read or Write ran into the application's deadline
	aborted  bool
	began    time.Duration // when the first Close was seen, 0: none was
}

// open reports whether nothing has ended the connection yet.
func (h *handshake) open() bool { return h.first == nobody }

// complete reports whether both Close frames have crossed.
func (h *handshake) complete() bool { return h.sent != nil && h.received != nil }

// sawClose takes the payload of a well-framed Close of the peer's. Only the
// first counts.
func (h *handshake) sawClose(payload []byte, now time.Duration) {
	if h.received != nil {
		return
	}
	frame, err := ParseCloseFrame(payload)
	h.received = &frame
	h.illegal, _ = err.(*FrameError) //nolint:errorlint // ParseCloseFrame returns no other
	h.settle(byPeer, now)
}

// sentClose takes note that a Close has left.
func (h *handshake) sentClose(f CloseFrame, now time.Duration) {
	if h.sent != nil {
		return
	}
	h.sent = &f
	if h.intended != nil && !h.misfit && *h.intended == f {
		h.intended = nil // given up too early
	}
	h.settle(byUs, now)
}

// sawFault takes note of a header that breaks a rule of framing.
func (h *handshake) sawFault(f *FrameError) {
	if h.fault == nil {
		h.fault = f
	}
}

// sawEnd takes note that the transport has ended: EOF, a reset, a failed write.
func (h *handshake) sawEnd(err error) {
	if h.down == nil {
		h.down = err
	}
	h.settle(byTransport, 0)
}

// abort takes note that we end TCP without more ado.
func (h *handshake) abort() {
	h.aborted = true
	h.settle(byTransport, 0)
}

func (h *handshake) settle(who party, now time.Duration) {
	if h.first == nobody {
		h.first = who
	}
	if h.began == 0 {
		h.began = now
	}
}

// verdict is what becomes of a Close that the library writes.
type verdict struct {
	send  bool       // false: it is swallowed
	frame CloseFrame // what leaves
	as    []byte     // its payload
}

// outgoing decides on a Close that is about to leave, given its payload:
// nothing after a Close, an abort or the end of TCP (rule 3; an answer may
// still arrive after EOF), only what is legal (rule 2), and to the peer's Close
// the answer that it should have (rule 4).
func (h *handshake) outgoing(payload []byte) verdict {
	frame, err := ParseCloseFrame(payload)
	switch {
	case h.sent != nil:
		return verdict{}
	case h.aborted, h.down != nil && h.received == nil:
		h.intend(frame, err == nil && frame.Validate(h.role) == nil)
		return verdict{}
	case h.received != nil:
		return h.reply(frame, payload, err)
	}
	if err == nil {
		err = frame.Validate(h.role)
	}
	if err == nil {
		return verdict{send: true, frame: frame, as: payload}
	}
	h.intend(frame, false)
	return h.say(frame.Fit(h.role))
}

// intend remembers a Close that can't leave as it was meant. An answer is
// nothing that we began.
func (h *handshake) intend(f CloseFrame, legal bool) {
	if h.received == nil && h.intended == nil {
		h.intended, h.misfit = &f, !legal
	}
}

// reply decides on the library's answer to the peer's Close.
func (h *handshake) reply(frame CloseFrame, payload []byte, err error) verdict {
	switch {
	case h.illegal != nil && (err != nil || frame.Code == h.received.Code && bytes.HasPrefix(h.illegal.Payload, payload)):
		// An echo of what is illegal, whole or without its reason, or an empty
		// answer to a payload of one byte.
		return h.say(h.answer())
	case h.illegal == nil && h.received.Code == BadGateway && frame.Code == ProtocolError && frame.Reason == "bad close code 1014":
		// gorilla/websocket doesn't know 1014. That is the one legal answer
		// that is replaced.
		return h.say(CloseFrame{Code: BadGateway})
	}
	role := h.role
	if frame.Code == h.received.Code {
		role = Client // who may send all codes: what was legal for the peer is legal for us
	}
	if err != nil || frame.Validate(role) != nil {
		return h.say(frame.Fit(role))
	}
	return verdict{send: true, frame: frame, as: payload}
}

// answer is the frame with which the guard answers the peer's Close itself.
func (h *handshake) answer() CloseFrame {
	if h.illegal != nil {
		return CloseFrame{Code: h.illegal.Code()}
	}
	return *h.received
}

// last is the Close for a library that closes TCP without one (rule 5), and
// whether there is one: not where TCP has ended or a timeout came before, not
// a second one, and none instead of bare if that is NoClose.
func (h *handshake) last(bare CloseFrame) (CloseFrame, bool) {
	switch {
	case h.sent != nil, h.down != nil, h.aborted:
		return CloseFrame{}, false
	case h.received != nil:
		return h.answer(), true
	case h.timedOut != nil:
		return CloseFrame{}, false
	case h.fault != nil:
		return CloseFrame{Code: ProtocolError}, true
	default:
		return bare, bare.Code != NoClose
	}
}

// own decides on a Close that the guard is asked to begin: by CloseWith, a
// handler's return, a shutdown. An illegal one is fitted and remembered.
func (h *handshake) own(f CloseFrame) verdict {
	if h.sent != nil || h.down != nil || h.aborted {
		if h.sent == nil {
			h.intend(f, f.Validate(h.role) == nil)
		}
		return verdict{}
	}
	if h.received != nil {
		return h.say(h.answer())
	}
	if f.Validate(h.role) != nil {
		h.intend(f, false)
		f = f.Fit(h.role)
	}
	return h.say(f)
}

// say makes a legal frame into what leaves.
func (h *handshake) say(f CloseFrame) verdict {
	return verdict{send: true, frame: f, as: f.appendPayload(nil)}
}
