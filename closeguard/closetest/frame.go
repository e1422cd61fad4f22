package closetest

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/closeguard/ws/closeguard"
)

// Opcodes of RFC 6455 section 11.8.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// A Frame is one WebSocket frame as it stands on the wire, legal or not. The zero values
// of its fields are what most frames have: a whole message, masked as the role wants it,
// and a header that tells the payload's true length.
type Frame struct {
	Opcode  byte // 4 bits
	More    bool // FIN is 0: the message goes on in another frame
	RSV     byte // 3 bits: RSV1 is 4, RSV2 is 2, RSV3 is 1
	Payload []byte

	// WrongMask: a client's frame is not masked, or a server's is.
	WrongMask bool

	// Claim is the payload length that a written frame's header tells if it is not the
	// payload's. 0: the payload's.
	Claim uint64
}

// String returns a frame in short: `text "hello"`, `close 1001 going away`, `opcode 0x3 ""`.
func (f Frame) String() string {
	name := map[byte]string{
		OpContinuation: "continuation", OpText: "text", OpBinary: "binary", OpPing: "ping", OpPong: "pong",
	}[f.Opcode]
	switch {
	case f.Opcode == OpClose:
		said, _ := closeguard.ParseCloseFrame(f.Payload) // of an illegal one what can be read
		return "close " + said.String()
	case name == "":
		name = fmt.Sprintf("opcode %#x", f.Opcode)
	}
	return fmt.Sprintf("%s %.40q", name, f.Payload)
}

// text and closing are the frames that peers write most.

func text(s string) Frame { return Frame{Opcode: OpText, Payload: []byte(s)} }

func closing(code closeguard.Code, reason string) Frame {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return Frame{Opcode: OpClose, Payload: append(payload, reason...)}
}

// append appends the frame as an endpoint of that role writes it.
func (f Frame) append(dst []byte, role closeguard.Role) []byte {
	length := f.Claim
	if length == 0 {
		length = uint64(len(f.Payload))
	}
	first := f.RSV&7<<4 | f.Opcode&15
	if !f.More {
		first |= 0x80
	}
	masked := (role == closeguard.Client) != f.WrongMask
	var bit byte
	if masked {
		bit = 0x80
	}
	switch {
	case length < 126:
		dst = append(dst, first, bit|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, bit|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, bit|127), length)
	}
	if !masked {
		return append(dst, f.Payload...)
	}
	var key [4]byte
	rand.Read(key[:]) // it never fails
	dst = append(dst, key[:]...)
	for i, b := range f.Payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// readFrame reads a frame that an endpoint of that role wrote. The end of the stream
// between two frames is io.EOF, and inside one io.ErrUnexpectedEOF.
func readFrame(r io.Reader, from closeguard.Role) (Frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return Frame{}, err
	}
	f := Frame{Opcode: head[0] & 15, More: head[0]&0x80 == 0, RSV: head[0] >> 4 & 7}
	if err := readRest(r, head[:1]); err != nil {
		return f, err
	}
	masked := head[0]&0x80 != 0
	f.WrongMask = masked != (from == closeguard.Client)
	length := uint64(head[0] & 0x7F)
	switch length {
	case 126:
		if err := readRest(r, head[:2]); err != nil {
			return f, err
		}
		length = uint64(binary.BigEndian.Uint16(head[:2]))
	case 127:
		if err := readRest(r, head[:8]); err != nil {
			return f, err
		}
		length = binary.BigEndian.Uint64(head[:8])
	}
	var key [4]byte
	if masked {
		if err := readRest(r, key[:]); err != nil {
			return f, err
		}
	}
	if length > maxPayload {
		return f, fmt.Errorf("closetest: a frame of %d bytes came, a peer reads at most %d", length, maxPayload)
	}
	f.Payload = make([]byte, length)
	if err := readRest(r, f.Payload); err != nil {
		return f, err
	}
	for i := range f.Payload {
		f.Payload[i] ^= key[i%4]
	}
	return f, nil
}

// maxPayload is the longest payload that a peer reads: 64 MiB.
const maxPayload = 64 << 20

func readRest(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
