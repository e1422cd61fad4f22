package wire

import "encoding/binary"

// Opcode says what a frame carries (RFC 6455 section 5.2).
type Opcode byte

// The opcodes in use; all others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is one of the control opcodes, the reserved ones
// included.
func (o Opcode) Control() bool { return o&0x8 != 0 }

func (o Opcode) reserved() bool { return o > Pong || o > Binary && o < Close }

// MaxControl is the longest payload of a control frame (RFC 6455 section 5.5).
const MaxControl = 125

// masked is the bit of a header's second byte that says that there is a mask.
const masked = 0x80

// Header is what the header of a frame says.
type Header struct {
	Opcode Opcode
	Final  bool
	RSV    byte // the three reserved bits, RSV1 is 4
	Masked bool
	Mask   [4]byte
	Length uint64
}

// Fault is the first rule of framing that a header breaks.
type Fault uint8

// The faults, in the order in which a header is checked.
const (
	NoFault           Fault = iota
	FaultLength             // a 64-bit length with its top bit set (section 5.2)
	FaultRSV                // a reserved bit is set that no extension claims (section 5.2)
	FaultOpcode             // a reserved opcode (section 5.2)
	FaultMask               // masked by a server or not masked by a client (section 5.1)
	FaultFragment           // a control frame that is not final (section 5.4)
	FaultControl            // a control frame of over 125 bytes (section 5.5)
	FaultContinuation       // a continuation of nothing (section 5.4)
	FaultInterleaved        // a new message inside a fragmented one (section 5.4)
)

// Token is what [Scanner.Next] came to.
type Token uint8

const (
	// More means that all bytes were used up and nothing came to an end.
	More Token = iota
	// Start means that a frame's header is complete.
	Start
	// End means that a frame is complete.
	End
)

// Scanner follows the frames of one direction of a connection, however the
// bytes are cut. Its zero value is at the start of a server's stream; it is a
// plain value, so that a copy looks ahead while the original stays where it is.
//
// After a fault it goes on wherever the next frame can still be found. After
// [FaultLength] it can't: everything that follows is payload.
type Scanner struct {
	Masked  bool // frames must be masked: this is the client's direction
	Claimed byte // reserved bits that an extension uses in data frames, see [Claims]

	start      [2]byte // of the current or last frame's header, and its mask if it has one
	mask       [4]byte
	got        uint8 // bytes of a header that is not complete
	fault      Fault
	inPayload  bool
	fragmented bool   // a message is open: its final frame is still to come
	left       uint64 // payload bytes of the current frame still to come, or what has come of their number
}

// Data takes data frames that break no rule from the start of p, whole or in
// part, and returns how many bytes they have. It is all that most of a
// connection's traffic needs; whatever it leaves, [Scanner.Next] takes.
func (s *Scanner) Data(p []byte) int {
	n, last := 0, -1
	switch {
	case s.got > 0, s.inPayload && (s.fault != NoFault || s.Opcode().Control()):
		return 0
	case s.left > uint64(len(p)):
		s.left -= uint64(len(p))
		return len(p)
	case s.inPayload:
		n = int(s.left)
		s.left, s.inPayload = 0, false
	}
	for len(p)-n >= 2 && !s.inPayload {
		rest := p[n:]
		size := headerSize(rest)
		if len(rest) < size {
			break
		}
		length := payloadLength(rest)
		if Opcode(rest[0]&0xf).Control() || s.judge(rest[0], rest[1], length) != NoFault {
			break
		}
		last, s.fragmented = n, rest[0]&0x80 == 0
		if here := uint64(len(rest) - size); here < length {
			s.left, s.inPayload = length-here, true
			n = len(p)
		} else {
			n += size + int(length)
		}
	}
	if last >= 0 {
		s.fault = NoFault
		s.start = [2]byte(p[last:])
		if s.start[1]&masked != 0 {
			s.mask = [4]byte(p[last+headerSize(p[last:])-len(s.mask):])
		}
	}
	return n
}

// Next takes bytes from the start of p up to the next token and returns how
// many. Call it again with the rest, also with an empty one, until it says
// [More].
func (s *Scanner) Next(p []byte) (int, Token) {
	if !s.inPayload {
		return s.header(p)
	}
	if uint64(len(p)) < s.left {
		s.left -= uint64(len(p))
		return len(p), More
	}
	n := int(s.left)
	s.left, s.inPayload = 0, false
	return n, End
}

// header takes what p has of a header, which may come in pieces.
func (s *Scanner) header(p []byte) (int, Token) {
	for i, b := range p {
		s.headerByte(b)
		if s.got < 2 || int(s.got) < headerSize(s.start[:]) {
			continue
		}
		s.got, s.inPayload = 0, true
		s.fault = s.judge(s.start[0], s.start[1], s.left)
		if !s.Opcode().Control() {
			s.fragmented = s.start[0]&0x80 == 0
		}
		return i + 1, Start
	}
	return len(p), More
}

// headerByte takes the next byte of a header.
func (s *Scanner) headerByte(b byte) {
	at := int(s.got)
	s.got++
	if at < 2 {
		s.start[at] = b
		if n := b & 0x7f; at == 1 && n < 126 {
			s.left = uint64(n)
		}
		return
	}
	if rest := headerSize(s.start[:]) - at; rest <= len(s.mask) && s.start[1]&masked != 0 {
		s.mask[len(s.mask)-rest] = b
	} else {
		s.left = s.left<<8 | uint64(b)
	}
}

// headerSize is the size of the header that begins b, of which b has two bytes
// at least.
func headerSize(b []byte) int {
	n := 2
	switch b[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b[1]&masked != 0 {
		n += 4
	}
	return n
}

// payloadLength is what the header says that begins b; b has all of it.
func payloadLength(b []byte) uint64 {
	switch n := b[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return binary.BigEndian.Uint64(b[2:])
	default:
		return uint64(n)
	}
}

// judge says which rule the next frame breaks: the first two bytes of its
// header are b0 and b1, and its payload has length bytes.
func (s *Scanner) judge(b0, b1 byte, length uint64) Fault {
	op, final := Opcode(b0&0xf), b0&0x80 != 0
	switch {
	case length>>63 != 0:
		return FaultLength // first: nothing after it can be found
	case b0&0x70 != 0 && b0>>4&7&^s.claimed(op) != 0:
		return FaultRSV
	case op.reserved():
		return FaultOpcode
	case b1&masked != 0 != s.Masked:
		return FaultMask
	case op.Control() && !final:
		return FaultFragment
	case op.Control() && length > MaxControl:
		return FaultControl
	case op == Continuation && !s.fragmented:
		return FaultContinuation
	case !op.Control() && op != Continuation && s.fragmented:
		return FaultInterleaved
	default:
		return NoFault
	}
}

// claimed are the reserved bits that may be set in a frame with this opcode.
func (s *Scanner) claimed(op Opcode) byte {
	if op.Control() || op == Continuation && s.Claimed == deflated {
		return 0
	}
	return s.Claimed
}

// Header returns the header of the current or last frame; it is valid from
// its [Start] until bytes behind its end are taken. Its length is what is still to
// come of the payload, which at Start is all.
func (s *Scanner) Header() Header {
	h := Header{
		Opcode: s.Opcode(),
		Final:  s.start[0]&0x80 != 0,
		RSV:    s.start[0] >> 4 & 7,
		Masked: s.start[1]&masked != 0,
		Length: s.Left(),
	}
	if h.Masked {
		h.Mask = s.mask
	}
	return h
}

// Opcode returns the opcode of the current or last frame; see Header.
func (s *Scanner) Opcode() Opcode { return Opcode(s.start[0] & 0xf) }

// Fault returns the first rule that the header of the current or last frame
// breaks.
func (s *Scanner) Fault() Fault { return s.fault }

// InPayload reports whether the next byte belongs to a frame's payload.
func (s *Scanner) InPayload() bool { return s.inPayload }

// Left returns how many payload bytes of the current frame are still to come.
func (s *Scanner) Left() uint64 {
	if !s.inPayload {
		return 0
	}
	return s.left
}

// Between reports whether the stream is between two frames, where a control
// frame may be put in.
func (s *Scanner) Between() bool { return s.got == 0 && !s.inPayload }

// InMessage reports whether the stream ended here would cut something off: a
// frame, or a message of which the final frame is still to come.
func (s *Scanner) InMessage() bool { return !s.Lost() && (!s.Between() || s.fragmented) }

// Lost reports whether the scanner can't tell any more where frames begin.
func (s *Scanner) Lost() bool { return s.fault == FaultLength }

// XOR masks or unmasks p, of which the first byte stands at offset at of its
// frame's payload (RFC 6455 section 5.3).
func XOR(p []byte, mask [4]byte, at int) {
	for i := range p {
		p[i] ^= mask[(at+i)&3]
	}
}

// AppendControl appends a whole control frame with the given payload, of at
// most [MaxControl] bytes, to dst. With mask nil it is a server's frame.
func AppendControl(dst []byte, op Opcode, payload []byte, mask *[4]byte) []byte {
	dst = append(dst, 0x80|byte(op), byte(len(payload)))
	if mask == nil {
		return append(dst, payload...)
	}
	dst[len(dst)-1] |= 0x80
	dst = append(dst, mask[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	XOR(dst[at:], *mask, 0)
	return dst
}
