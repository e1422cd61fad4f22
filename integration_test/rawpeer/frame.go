package rawpeer

import (
	"encoding/binary"
	"fmt"
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

// A Frame is one WebSocket frame as it stands on the wire, legal or not.
// The payload is unmasked.
type Frame struct {
	Fin     bool
	RSV     byte // RSV1 is 4, RSV2 is 2, RSV3 is 1
	Opcode  byte
	Payload []byte

	Padded bool // the length takes more bytes than it needs; written ones two

	// Read frames only.

	Masked bool // written frames are masked unless Bare
	Mask   [4]byte

	// Written frames only.

	Bare  bool   // not masked, which no client may do
	Claim uint64 // if not zero: the payload length that the header claims
}

// Text returns a whole text message.
func Text(s string) Frame { return Frame{Fin: true, Opcode: OpText, Payload: []byte(s)} }

// Binary returns a whole binary message.
func Binary(b []byte) Frame { return Frame{Fin: true, Opcode: OpBinary, Payload: b} }

// Ping returns a Ping.
func Ping(s string) Frame { return Frame{Fin: true, Opcode: OpPing, Payload: []byte(s)} }

// Pong returns a Pong.
func Pong(s string) Frame { return Frame{Fin: true, Opcode: OpPong, Payload: []byte(s)} }

// Close returns a Close with code modulo 65536 and reason, whatever they are.
func Close(code int, reason string) Frame {
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return ClosePayload(append(payload, reason...))
}

// ClosePayload returns a Close with this very payload; nil makes an empty Close.
func ClosePayload(payload []byte) Frame {
	return Frame{Fin: true, Opcode: OpClose, Payload: payload}
}

// Fragments returns the message in f as one frame for each part, which
// together replace its payload.
func Fragments(f Frame, parts ...string) []Frame {
	frames := make([]Frame, len(parts))
	for i, part := range parts {
		frames[i] = Frame{Fin: i == len(parts)-1, Payload: []byte(part)}
		if i == 0 {
			frames[i].Opcode, frames[i].RSV = f.Opcode, f.RSV
		}
	}
	return frames
}

// CloseCode is the code in a Close's payload: 1005 if it is empty, -1 if it
// is one byte long or f is not a Close.
func (f Frame) CloseCode() int {
	switch {
	case f.Opcode != OpClose || len(f.Payload) == 1:
		return -1
	case len(f.Payload) == 0:
		return 1005
	}
	return int(binary.BigEndian.Uint16(f.Payload))
}

// CloseReason is what follows the code in a Close's payload.
func (f Frame) CloseReason() string {
	if f.Opcode != OpClose || len(f.Payload) < 2 {
		return ""
	}
	return string(f.Payload[2:])
}

// String is for test output: `text "hi"`, `close 1000 "bye"`, `binary 70000 bytes`.
func (f Frame) String() string {
	name, ok := map[byte]string{
		OpContinuation: "continuation", OpText: "text", OpBinary: "binary",
		OpClose: "close", OpPing: "ping", OpPong: "pong",
	}[f.Opcode]
	if !ok {
		name = fmt.Sprintf("opcode %#x", f.Opcode)
	}
	if !f.Fin {
		name += " not final"
	}
	if f.RSV != 0 {
		name += fmt.Sprintf(" rsv %03b", f.RSV)
	}
	if f.Masked {
		name += " masked"
	}
	if f.Padded {
		name += " padded"
	}
	switch {
	case f.Opcode == OpClose && len(f.Payload) == 0:
		return name + " empty"
	case f.Opcode == OpClose && len(f.Payload) >= 2:
		return fmt.Sprintf("%s %d %q", name, f.CloseCode(), f.CloseReason())
	case len(f.Payload) > 125:
		return fmt.Sprintf("%s %d bytes", name, len(f.Payload))
	}
	return fmt.Sprintf("%s %q", name, f.Payload)
}

// Append appends the frame as a client sends it, masked with key.
func (f Frame) Append(dst []byte, key [4]byte) []byte {
	first := f.RSV<<4 | f.Opcode
	if f.Fin {
		first |= 0x80
	}
	mask := byte(0x80)
	if f.Bare {
		mask, key = 0, [4]byte{}
	}
	length := f.Claim
	if length == 0 {
		length = uint64(len(f.Payload))
	}
	dst = append(dst, first)
	switch {
	case length < 126 && !f.Padded:
		dst = append(dst, mask|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, mask|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, mask|127), length)
	}
	if !f.Bare {
		dst = append(dst, key[:]...)
	}
	for i, b := range f.Payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// Head reads the header of the frame at the beginning of b. size is how many
// bytes it has, zero if b ends inside it; length is what the header says of the
// payload.
func Head(b []byte) (f Frame, size int, length uint64) {
	if len(b) < 2 {
		return Frame{}, 0, 0
	}
	f = Frame{Fin: b[0]&0x80 != 0, RSV: b[0] >> 4 & 7, Opcode: b[0] & 15, Masked: b[1]&0x80 != 0}
	size, length = 2, uint64(b[1]&0x7F)
	switch {
	case length == 126 && len(b) >= 4:
		size, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case length == 127 && len(b) >= 10:
		size, length = 10, binary.BigEndian.Uint64(b[2:])
	case length >= 126:
		return Frame{}, 0, 0
	}
	f.Padded = size == 4 && length < 126 || size == 10 && length < 1<<16
	if f.Masked {
		if len(b) < size+4 {
			return Frame{}, 0, 0
		}
		copy(f.Mask[:], b[size:])
		size += 4
	}
	return f, size, length
}

// parse takes the frame at the beginning of b. n is how many bytes it has,
// zero if b ends inside it.
func parse(b []byte) (f Frame, n uint64) {
	f, size, length := Head(b)
	if size == 0 || uint64(len(b)-size) < length {
		return Frame{}, 0
	}
	f.Payload = make([]byte, length)
	for i := range f.Payload {
		f.Payload[i] = b[size+i] ^ f.Mask[i%4]
	}
	return f, uint64(size) + length
}
