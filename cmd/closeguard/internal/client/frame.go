package client

import (
	"crypto/rand"
	"encoding/binary"
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

// A Frame is one frame as a client writes it, legal or not. The zero values of its fields
// are what most frames have.
type Frame struct {
	Opcode  byte
	More    bool // FIN is 0: the message goes on in another frame
	RSV     byte // RSV1 is 4, RSV2 is 2, RSV3 is 1
	Payload []byte
	Bare    bool   // not masked, which no client may do
	Claim   uint64 // what the header says of the payload's length; 0: the truth
}

// Text is a whole text message.
func Text(s string) Frame { return Frame{Opcode: OpText, Payload: []byte(s)} }

// Ping is a Ping with that payload.
func Ping(s string) Frame { return Frame{Opcode: OpPing, Payload: []byte(s)} }

// Close is a Close with these 16 bits of code and this reason, legal or not.
func Close(code closeguard.Code, reason string) Frame {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return Frame{Opcode: OpClose, Payload: append(payload, reason...)}
}

// Bytes are the frames as they stand on the wire.
func Bytes(frames ...Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = f.append(b)
	}
	return b
}

func (f Frame) append(dst []byte) []byte {
	length := f.Claim
	if length == 0 {
		length = uint64(len(f.Payload))
	}
	first := f.RSV<<4 | f.Opcode
	if !f.More {
		first |= 0x80
	}
	var masked byte
	if !f.Bare {
		masked = 0x80
	}
	switch {
	case length < 126:
		dst = append(dst, first, masked|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, first, masked|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, masked|127), length)
	}
	if f.Bare {
		return append(dst, f.Payload...)
	}
	var key [4]byte
	rand.Read(key[:])
	dst = append(dst, key[:]...)
	for i, b := range f.Payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// A header is that of a frame that the server wrote.
type header struct {
	opcode byte
	final  bool
	rsv    byte
	masked bool
	length uint64
}

// readHeader returns io.EOF at the end between two frames, and io.ErrUnexpectedEOF inside a header.
func readHeader(r io.Reader) (header, error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:1]); err == io.ErrUnexpectedEOF { // TLS without its close_notify
		return header{}, io.EOF
	} else if err != nil {
		return header{}, err
	}
	h := header{opcode: b[0] & 15, final: b[0]&0x80 != 0, rsv: b[0] >> 4 & 7}
	if err := readRest(r, b[:1]); err != nil {
		return h, err
	}
	h.masked, h.length = b[0]&0x80 != 0, uint64(b[0]&0x7F)
	size := 0
	switch h.length {
	case 126:
		size = 2
	case 127:
		size = 8
	}
	if size > 0 {
		clear(b[:])
		if err := readRest(r, b[8-size:]); err != nil {
			return h, err
		}
		h.length = binary.BigEndian.Uint64(b[:])
	}
	return h, nil
}

// broken is the rule of framing that the header breaks in a stream where a message is
// open or not; "": none. No extension is ever asked for, so that no reserved bit means
// anything.
func (h header) broken(open bool) string {
	control := h.opcode&8 != 0
	switch {
	case h.masked:
		return "a masked frame"
	case h.rsv != 0:
		return "reserved bits without an extension"
	case h.opcode > OpBinary && h.opcode < OpClose, h.opcode > OpPong:
		return "a reserved opcode"
	case control && !h.final:
		return "a control frame in fragments"
	case control && h.length > 125:
		return "a control frame of more than 125 bytes"
	case h.length>>63 != 0:
		return "a length with its top bit set"
	case !control && open != (h.opcode == OpContinuation):
		return "a fragment out of order"
	}
	return ""
}

func readRest(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
