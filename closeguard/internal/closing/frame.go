package closing

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Role is the side of the connection on which we stand.
type Role uint8

// The roles. Whoever is no client is a server.
const (
	Server Role = iota
	Client
)

// The codes that the rules name (RFC 6455 section 7.4.1, IANA).
const (
	GoingAway               = 1001
	ProtocolError           = 1002
	NoStatusReceived        = 1005
	AbnormalClosure         = 1006
	InvalidFramePayloadData = 1007
	MandatoryExtension      = 1010
	InternalError           = 1011
	BadGateway              = 1014
	TLSHandshake            = 1015
)

// MaxReason is how long a reason may be: what is left of a control frame's
// payload behind the code.
const MaxReason = wire.MaxControl - 2

// Frame is what a Close frame says. NoStatusReceived without a reason is the
// empty Close.
type Frame struct {
	Code   int
	Reason string
}

// Sendable reports whether an endpoint of that role may begin a Close with the
// code (RFC 6455 sections 7.4.1 and 7.4.2, IANA).
func Sendable(code int, role Role) bool {
	switch {
	case code == MandatoryExtension:
		return role == Client
	case code >= 1000 && code <= 2999:
		return code <= 1003 || code >= 1007 && code <= BadGateway
	default:
		return code >= 3000 && code <= 4999
	}
}

// Parse reads the payload of a received Close frame. If it breaks a rule, the
// frame holds what could be read, the reason as Fit would send it. What a client
// may send is accepted from both sides.
func Parse(payload []byte) (Frame, *Violation) {
	switch len(payload) {
	case 0:
		return Frame{Code: NoStatusReceived}, nil
	case 1:
		return Frame{Code: NoStatusReceived}, NewViolation(RulePayloadLength, 1, payload)
	}
	kept := payload[:min(len(payload), wire.MaxControl)]
	f := Frame{int(binary.BigEndian.Uint16(kept)), string(kept[2:])}
	var v *Violation
	switch {
	case len(payload) > wire.MaxControl:
		v = NewViolation(RuleControlLength, int64(len(payload)), payload)
	case !Sendable(f.Code, Client):
		v = NewViolation(RuleCode, int64(f.Code), payload)
	case !utf8.ValidString(f.Reason):
		v = NewViolation(RuleReasonUTF8, invalidAt(f.Reason), payload)
	default:
		return f, nil
	}
	f.Reason = fitReason(f.Reason)
	return f, v
}

// Check says which rule an endpoint of that role breaks that begins a Close with
// the frame, nil if none.
func (f Frame) Check(role Role) *Violation {
	switch {
	case f.Code == NoStatusReceived && f.Reason == "":
		return nil
	case f.Code == NoStatusReceived:
		return NewViolation(RuleReasonWithoutCode, int64(len(f.Reason)), nil)
	case !Sendable(f.Code, role):
		return NewViolation(RuleCode, int64(f.Code), nil)
	case len(f.Reason) > MaxReason:
		return NewViolation(RuleReasonLength, int64(len(f.Reason)), nil)
	case !utf8.ValidString(f.Reason):
		return NewViolation(RuleReasonUTF8, invalidAt(f.Reason), nil)
	}
	return nil
}

// AppendPayload appends the frame's payload to dst. The frame is legal for one
// of the sides.
func (f Frame) AppendPayload(dst []byte) []byte {
	if f.Code == NoStatusReceived {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(f.Code)) // a legal code fits
	return append(dst, f.Reason...)
}

// Fit returns the nearest frame that is legal for the role.
func (f Frame) Fit(role Role) Frame {
	switch {
	case f.Code == NoStatusReceived:
		return Frame{Code: NoStatusReceived}
	case f.Code == AbnormalClosure || f.Code == TLSHandshake:
		f.Code = GoingAway
	case !Sendable(f.Code, role):
		f.Code = InternalError
	}
	f.Reason = fitReason(f.Reason)
	return f
}

// fitReason repairs before it cuts, because U+FFFD is longer than a broken byte.
func fitReason(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= MaxReason {
		return s
	}
	n := MaxReason
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// invalidAt returns the index of the first byte of s that is not UTF-8, and
// len(s) if all are.
func invalidAt(s string) int64 {
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n < 2 {
			return int64(i)
		}
		i += n
	}
}
