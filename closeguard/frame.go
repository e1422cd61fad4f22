package closeguard

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// A CloseFrame is what a Close frame says. It is a value: comparable, and safe
// for concurrent use.
//
// Four things that look like nothing differ. An empty Close is
// {Code: NoStatusReceived}. A received code 0 is {Code: 0}, and a payload of
// one byte is {Code: NoStatusReceived}, each with a *FrameError beside it.
// Where there was no frame at all, a *CloseFrame is nil. The zero CloseFrame is
// therefore not an empty Close: Validate refuses it.
type CloseFrame struct {
	// Code is the close code, NoStatusReceived for a frame without one.
	Code Code

	// Reason is at most 123 bytes of UTF-8, meant for logs and not for people
	// who use the program (RFC 6455 section 5.5.1). It may hold any character,
	// NUL and line breaks included, and what a peer sent is not to be trusted.
	Reason string
}

// ParseCloseFrame reads the payload of a received Close frame, unmasked and
// without the frame's header. It accepts what a peer of either role may send,
// and keeps no reference to payload.
//
// Any error is a *[FrameError], about the length before the code and the code before
// the reason. The frame then holds what could be read: the code, if there are two
// bytes for it, and the reason as Fit would send it.
func ParseCloseFrame(payload []byte) (CloseFrame, error) {
	f, illegal := closing.Parse(payload)
	if illegal != nil {
		return outside(f), frameError(illegal)
	}
	return outside(f), nil
}

// inside is the frame as the closing handshake has it, outside the way back.
func (f CloseFrame) inside() closing.Frame { return closing.Frame{Code: int(f.Code), Reason: f.Reason} }

func outside(f closing.Frame) CloseFrame { return CloseFrame{Code: Code(f.Code), Reason: f.Reason} }

// Validate reports whether an endpoint of that role may begin a Close with the
// frame: with a code that may be sent and a reason of at most 123 bytes of UTF-8,
// or with NoStatusReceived and no reason, which is the empty Close. The codes are
// those of RFC 6455 sections 7.4.1 and 7.4.2 and of the registry: 1000 to 1003,
// 1007 to 1014, of which 1010 is for clients only, and 3000 to 4999. The error is
// a *[FrameError].
func (f CloseFrame) Validate(role Role) error {
	if v := f.inside().Check(closing.Role(role)); v != nil {
		return frameError(v)
	}
	return nil
}

// Fit returns the nearest frame that is valid for the role. A valid frame
// comes back unchanged.
//
// NoStatusReceived becomes the empty Close, without its reason;
// 1006 and 1015 become GoingAway; every other code that the
// role may not send becomes InternalError. In the reason, bytes that are not
// UTF-8 become U+FFFD, one for each run of them, and what is then longer than
// 123 bytes is cut between two characters.
func (f CloseFrame) Fit(role Role) CloseFrame { return outside(f.inside().Fit(closing.Role(role))) }

// String returns the frame on one line, the reason quoted and escaped as in Go
// source: `1001 going away "tab closed"`. Without a reason it is the code's
// String.
func (f CloseFrame) String() string { return f.named(f.Code.String()) }

// named is the String with these words for the code.
func (f CloseFrame) named(code string) string {
	if f.Reason == "" {
		return code
	}
	return code + " " + strconv.Quote(f.Reason)
}

// A FrameError says which rule of RFC 6455 a frame breaks, and its text says how.
// Functions of this package return it as a pointer, so find it with errors.As and a
// *FrameError. It is not changed once it is returned.
//
// These rules are about what a Close frame says, with what Value holds:
//
//	close code            the code may not be in a frame, or not from this role; the code
//	reason without code   a reason follows a code; bytes of reason
//	close payload length  none, or two bytes and more; bytes of payload
//	reason length         at most 123 bytes; bytes of reason
//	reason UTF-8          the reason is UTF-8; index in it of the first byte that is not
//
// And these are about frame headers, which every frame must keep, so that a Close
// that breaks one is not read as a Close:
//
//	control frame length      at most 125 bytes; bytes of payload
//	fragmented control frame  a control frame is final; its opcode
//	mask                      clients mask, servers don't; the mask bit that was found
//	reserved bits             zero, unless an extension uses them; RSV1, 2, 3 as 4, 2, 1
//	opcode                    3 to 7 and 0xb to 0xf are reserved; the opcode
//	payload length            the highest of the 64 bits is zero; the length, which is negative
//	continuation              a continuation has something to continue; its opcode, 0
//	interleaved message       a message ends before the next one begins; the opcode of the new one
type FrameError struct {
	Rule  string // that is broken, as the tables above name it
	Value int64  // that breaks it

	// Payload is the raw, unmasked payload of a received frame, its first 125
	// bytes if it is longer. It is nil for a frame that was not received.
	Payload []byte
}

var _ error = (*FrameError)(nil)

// frameError is a violation as the program is told of it: a copy, which nobody
// changes any more.
func frameError(v *closing.Violation) *FrameError {
	return &FrameError{Rule: string(v.Rule), Value: v.Value, Payload: slices.Clone(v.Payload)}
}

// Error names the value, the rule and the section of RFC 6455 on one line.
func (e *FrameError) Error() string {
	text, section := e.describe()
	if section == "" {
		return "closeguard: " + text
	}
	return "closeguard: " + text + " (RFC 6455 section " + section + ")"
}

func (e *FrameError) describe() (text, section string) {
	switch closing.Rule(e.Rule) {
	case closing.RuleCode:
		return describeCode(Code(e.Value))
	case closing.RuleReasonWithoutCode:
		return fmt.Sprintf("close reason of %d bytes has no code before it", e.Value), "5.5.1"
	case closing.RulePayloadLength:
		return fmt.Sprintf("close payload of length %d is too short for a code", e.Value), "5.5.1"
	case closing.RuleReasonLength:
		return fmt.Sprintf("close reason of %d bytes is longer than %d", e.Value, closing.MaxReason), "5.5"
	case closing.RuleReasonUTF8:
		return fmt.Sprintf("close reason is not UTF-8 at byte %d", e.Value), "5.5.1"
	case closing.RuleControlLength:
		return fmt.Sprintf("control frame of %d bytes is longer than %d", e.Value, wire.MaxControl), "5.5"
	case closing.RuleFragmentedControl:
		return fmt.Sprintf("control frame with opcode %#x is fragmented", e.Value), "5.5"
	case closing.RuleMask:
		if e.Value == 0 {
			return "frame with mask bit 0 came from a client", "5.1"
		}
		return fmt.Sprintf("frame with mask bit %d came from a server", e.Value), "5.1"
	case closing.RuleRSV:
		return fmt.Sprintf("reserved bits %03b are set and no extension uses them", e.Value), "5.2"
	case closing.RuleOpcode:
		return fmt.Sprintf("opcode %#x is reserved", e.Value), "5.2"
	case closing.RuleLength:
		return fmt.Sprintf("payload length %#x has its highest bit set", uint64(e.Value)), "5.2"
	case closing.RuleContinuation:
		return fmt.Sprintf("frame with opcode %#x continues no message", e.Value), "5.4"
	case closing.RuleInterleaved:
		return fmt.Sprintf("frame with opcode %#x begins a message inside another", e.Value), "5.4"
	}
	return fmt.Sprintf("illegal frame: rule %q, value %d", e.Rule, e.Value), ""
}

// describeCode says why a code may not be sent.
func describeCode(c Code) (text, section string) {
	number := "close code " + strconv.Itoa(int(c))
	switch c {
	case codeReserved:
		return number + " is reserved", "7.4.1"
	case NoStatusReceived, AbnormalClosure, codeTLSHandshake:
		return number + " must not appear in a frame", "7.4.1"
	case MandatoryExtension:
		return number + " is for clients only", "7.4.1"
	}
	switch c.block() {
	case rangeUnused:
		return number + " is in the unused range 0 to 999", "7.4.2"
	case rangeOutside:
		return number + " is outside 1000 to 4999", "7.4.2"
	case rangeProtocol, rangeRegistered, rangePrivate:
	}
	return number + " is not assigned", "7.4.2"
}
