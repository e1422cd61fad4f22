package closing

import "github.com/closeguard/ws/closeguard/internal/wire"

// Rule is a rule of RFC 6455 that a frame can break.
type Rule string

// Rules for what a Close frame says.
const (
	RuleCode              Rule = "close code"
	RuleReasonWithoutCode Rule = "reason without code"
	RulePayloadLength     Rule = "close payload length"
	RuleReasonLength      Rule = "reason length"
	RuleReasonUTF8        Rule = "reason UTF-8"
)

// Rules for the headers of all frames.
const (
	RuleControlLength     Rule = "control frame length"
	RuleFragmentedControl Rule = "fragmented control frame"
	RuleMask              Rule = "mask"
	RuleRSV               Rule = "reserved bits"
	RuleOpcode            Rule = "opcode"
	RuleLength            Rule = "payload length"
	RuleContinuation      Rule = "continuation"
	RuleInterleaved       Rule = "interleaved message"
)

// Violation says which rule a frame breaks, with which number, and what the
// payload of a received one is, of which it keeps a copy of at most 125 bytes.
type Violation struct {
	Rule    Rule
	Value   int64
	Payload []byte
}

// NewViolation copies payload, which belongs to somebody else.
func NewViolation(rule Rule, value int64, payload []byte) *Violation {
	kept := payload[:min(len(payload), wire.MaxControl)]
	return &Violation{Rule: rule, Value: value, Payload: append([]byte(nil), kept...)}
}

// Code is what an endpoint answers to such a frame.
func (v *Violation) Code() int {
	if v.Rule == RuleReasonUTF8 {
		return InvalidFramePayloadData
	}
	return ProtocolError
}

// OfHeader says which rule the header breaks that s stands behind.
func OfHeader(s *wire.Scanner) *Violation {
	h := s.Header()
	switch s.Fault() {
	case wire.FaultRSV:
		return NewViolation(RuleRSV, int64(h.RSV), nil)
	case wire.FaultOpcode:
		return NewViolation(RuleOpcode, int64(h.Opcode), nil)
	case wire.FaultMask:
		var bit int64
		if h.Masked {
			bit = 1
		}
		return NewViolation(RuleMask, bit, nil)
	case wire.FaultFragment:
		return NewViolation(RuleFragmentedControl, int64(h.Opcode), nil)
	case wire.FaultControl:
		return NewViolation(RuleControlLength, int64(h.Length), nil) // below the top bit
	case wire.FaultContinuation:
		return NewViolation(RuleContinuation, int64(h.Opcode), nil)
	case wire.FaultInterleaved:
		return NewViolation(RuleInterleaved, int64(h.Opcode), nil)
	case wire.NoFault, wire.FaultLength:
		return NewViolation(RuleLength, int64(h.Length), nil) // negative on purpose
	}
	panic("BUG: closing: a header breaks a rule that there isn't")
}

// Error names the rule: a violation is a reason of an end.
func (v *Violation) Error() string { return string(v.Rule) }
