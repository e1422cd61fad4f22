package closing

import "bytes"

// Verdict is what becomes of a Close.
type Verdict struct {
	Send    bool // false: it is swallowed
	Frame   Frame
	Payload []byte // the frame's
}

// outgoing decides on a Close of the library's that is about to leave, given its
// payload: nothing after a Close or an abort (rule 3), only what is legal (rule 2),
// and to the peer's Close the answer that it should have (rule 4). A peer that has
// ended its stream may read on; of one that is gone the library's Write tells.
func (r *Record) outgoing(payload []byte) Verdict {
	frame, illegal := Parse(payload)
	switch {
	case r.Sent != nil:
		return Verdict{}
	case r.Aborted:
		r.intend(frame, illegal == nil && frame.Check(r.Role) == nil)
		return Verdict{}
	case r.Received != nil:
		return r.reply(frame, payload, illegal)
	case illegal == nil && frame.Check(r.Role) == nil:
		return Verdict{Send: true, Frame: frame, Payload: payload}
	}
	r.intend(frame, false)
	return say(frame.Fit(r.Role))
}

// reply decides on the library's answer to the peer's Close.
func (r *Record) reply(frame Frame, payload []byte, illegal *Violation) Verdict {
	switch {
	case r.Illegal != nil && (illegal != nil || frame.Code == r.Received.Code && bytes.HasPrefix(r.Illegal.Payload, payload)):
		// An echo of what is illegal, whole or without its reason, or an empty
		// answer to a payload of one byte.
		return say(r.Answer())
	case r.Illegal == nil && r.Received.Code == BadGateway && frame == Frame{ProtocolError, "bad close code 1014"}:
		// gorilla/websocket doesn't know 1014. That is the one legal answer
		// that is replaced.
		return say(Frame{Code: BadGateway})
	}
	role := r.Role
	if frame.Code == r.Received.Code {
		role = Client // who may send all codes: what was legal for the peer is legal for us
	}
	if illegal != nil || frame.Check(role) != nil {
		return say(frame.Fit(role))
	}
	return Verdict{Send: true, Frame: frame, Payload: payload}
}

// Answer is the frame with which the guard answers the peer's Close itself.
func (r *Record) Answer() Frame {
	if r.Illegal != nil {
		return Frame{Code: r.Illegal.Code()}
	}
	return *r.Received
}

// bareAnswer is the Close for a library that closes TCP without one (rule 5),
// and whether there is one: not where TCP has ended or a timeout came before, not
// a second one, and none instead of bare if that is nil.
func (r *Record) bareAnswer(bare *Frame) (Frame, bool) {
	switch {
	case r.Sent != nil, r.Down != nil, r.Aborted:
		return Frame{}, false
	case r.Received != nil:
		return r.Answer(), true
	case r.TimedOut != Reason{}:
		return Frame{}, false
	case r.Fault != nil:
		return Frame{Code: ProtocolError}, true
	case bare != nil:
		return *bare, true
	default:
		return Frame{}, false
	}
}

// ours decides on a Close that the guard is asked to begin: by CloseWith, a
// handler's return, a shutdown. An illegal one is fitted and remembered.
func (r *Record) ours(f Frame) Verdict {
	if r.Sent != nil || r.Down != nil || r.Aborted {
		if r.Sent == nil {
			r.intend(f, f.Check(r.Role) == nil)
		}
		return Verdict{}
	}
	if r.Received != nil {
		return say(r.Answer())
	}
	if f.Check(r.Role) != nil {
		r.intend(f, false)
		f = f.Fit(r.Role)
	}
	return say(f)
}

// say makes a legal frame into what leaves.
func say(f Frame) Verdict {
	return Verdict{Send: true, Frame: f, Payload: f.AppendPayload(nil)}
}
