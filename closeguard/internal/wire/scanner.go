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

// maxHeader is the longest frame header: 2 bytes, 8 of length, 4 of mask.
const maxHeader = 14

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
	Masked   bool // frames must be masked: this is the client's direction
	Extended bool // an extension was agreed on: RSV bits of data frames are its business

	head       Header
	left       uint64 // payload bytes of the current frame still to come
	raw        [maxHeader]byte
	got        uint8 // header bytes in raw
	fault      Fault
	inPayload  bool
	fragmented bool // a message is open: its final frame is still to come
	lost       bool
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

func (s *Scanner) header(p []byte) (int, Token) {
	n := 0
	for need := s.headerSize(); int(s.got) < need; need = s.headerSize() {
		if n == len(p) {
			return n, More
		}
		c := copy(s.raw[s.got:need], p[n:])
		s.got += uint8(c)
		n += c
	}
	s.parse()
	s.got = 0
	s.left, s.inPayload = s.head.Length, true
	s.lost = s.fault == FaultLength
	return n, Start
}

// headerSize is the size of the header as far as its bytes tell.
func (s *Scanner) headerSize() int {
	if s.got < 2 {
		return 2
	}
	n := 2
	switch s.raw[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if s.raw[1]&0x80 != 0 {
		n += 4
	}
	return n
}

func (s *Scanner) parse() {
	b := s.raw[:]
	h := Header{
		Opcode: Opcode(b[0] & 0xf),
		Final:  b[0]&0x80 != 0,
		RSV:    b[0] >> 4 & 7,
		Masked: b[1]&0x80 != 0,
		Length: uint64(b[1] & 0x7f),
	}
	at := 2
	switch h.Length {
	case 126:
		h.Length, at = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		h.Length, at = binary.BigEndian.Uint64(b[2:]), 10
	}
	if h.Masked {
		copy(h.Mask[:], b[at:])
	}
	s.head = h
	s.fault = s.judge(h)
	if !h.Opcode.Control() {
		s.fragmented = !h.Final
	}
}

func (s *Scanner) judge(h Header) Fault {
	control := h.Opcode.Control()
	switch {
	case h.Length>>63 != 0:
		return FaultLength // first: nothing after it can be found
	case h.RSV != 0 && (control || !s.Extended):
		return FaultRSV
	case h.Opcode.reserved():
		return FaultOpcode
	case h.Masked != s.Masked:
		return FaultMask
	case control && !h.Final:
		return FaultFragment
	case control && h.Length > MaxControl:
		return FaultControl
	case h.Opcode == Continuation && !s.fragmented:
		return FaultContinuation
	case !control && h.Opcode != Continuation && s.fragmented:
		return FaultInterleaved
	default:
		return NoFault
	}
}

// Header returns the header of the current or last frame; it is valid from
// its [Start] to the next one.
func (s *Scanner) Header() Header { return s.head }

// Opcode returns the opcode of the current or last frame.
func (s *Scanner) Opcode() Opcode { return s.head.Opcode }

// Fault returns the first rule that the header of the current or last frame
// breaks.
func (s *Scanner) Fault() Fault { return s.fault }

// InPayload reports whether the next byte belongs to a frame's payload.
func (s *Scanner) InPayload() bool { return s.inPayload }

// Left returns how many payload bytes of the current frame are still to come.
func (s *Scanner) Left() uint64 { return s.left }

// Between reports whether the stream is between two frames, where a control
// frame may be put in.
func (s *Scanner) Between() bool { return s.got == 0 && !s.inPayload }

// InMessage reports whether the stream ended here would cut something off: a
// frame, or a message of which the final frame is still to come.
func (s *Scanner) InMessage() bool { return !s.lost && (!s.Between() || s.fragmented) }

// Lost reports whether the scanner can't tell any more where frames begin.
func (s *Scanner) Lost() bool { return s.lost }

// AppendPayload appends p, payload bytes of the current frame that the last
// call of Next took, to dst, unmasked.
func (s *Scanner) AppendPayload(dst, p []byte) []byte {
	at := len(dst)
	dst = append(dst, p...)
	if s.head.Masked {
		XOR(dst[at:], s.head.Mask, int((s.head.Length-s.left-uint64(len(p)))&3))
	}
	return dst
}

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
