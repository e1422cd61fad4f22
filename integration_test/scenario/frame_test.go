package scenario

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Opcodes of RFC 6455 section 11.8.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// A frame is one frame of the wire, legal or not, its payload unmasked. This is
// the oracle's own parser: it shares no code with closeguard or a library.
type frame struct {
	fin     bool
	rsv     byte // RSV1 is 4
	op      byte
	payload []byte

	masked, padded bool // as it was read; padded: the length takes more bytes than it needs

	wrongMask bool   // written as the other side would: a client's unmasked, a server's masked
	claim     uint64 // if not zero: the length that is written in the header
}

func text(s string) frame    { return frame{fin: true, op: opText, payload: []byte(s)} }
func binaryOf(n int) frame   { return frame{fin: true, op: opBinary, payload: make([]byte, n)} }
func ping(s string) frame    { return frame{fin: true, op: opPing, payload: []byte(s)} }
func pong(s string) frame    { return frame{fin: true, op: opPong, payload: []byte(s)} }
func closeOf(s string) frame { return frame{fin: true, op: opClose, payload: []byte(s)} }

// close returns a Close with this code and reason, whatever they are.
func closing(code int, reason string) frame {
	return closeOf(string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason)
}

// fragments cuts a text message.
func fragments(parts ...string) []frame {
	all := make([]frame, len(parts))
	for i, part := range parts {
		all[i] = frame{fin: i == len(parts)-1, payload: []byte(part)}
	}
	all[0].op = opText
	return all
}

// deflated is a text message of permessage-deflate.
func deflated(s string) frame {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	io.WriteString(w, s)
	w.Flush()
	f := text(strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
	f.rsv = 4
	return f
}

// maskingKey is that of the examples in RFC 6455 section 5.7.
var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// encode returns the frames as a client or a server sends them.
func encode(client bool, frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		first := f.rsv<<4 | f.op
		if f.fin {
			first |= 0x80
		}
		length := uint64(len(f.payload))
		if f.claim != 0 {
			length = f.claim
		}
		var mask byte
		if client != f.wrongMask {
			mask = 0x80
		}
		b = append(b, first)
		switch {
		case length < 126 && !f.padded:
			b = append(b, mask|byte(length))
		case length < 1<<16:
			b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(length))
		default:
			b = binary.BigEndian.AppendUint64(append(b, mask|127), length)
		}
		if mask == 0 {
			b = append(b, f.payload...)
			continue
		}
		b = append(b, maskingKey[:]...)
		for i, c := range f.payload {
			b = append(b, c^maskingKey[i%4])
		}
	}
	return b
}

// decode takes the frame at the beginning of b; n is how many bytes it has,
// zero if b ends inside it.
func decode(b []byte) (f frame, n int) {
	if len(b) < 2 {
		return frame{}, 0
	}
	f = frame{fin: b[0]&0x80 != 0, rsv: b[0] >> 4 & 7, op: b[0] & 15, masked: b[1]&0x80 != 0}
	head, length := 2, uint64(b[1]&0x7f)
	switch {
	case length == 126 && len(b) >= 4:
		head, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		f.padded = length < 126
	case length == 127 && len(b) >= 10:
		head, length = 10, binary.BigEndian.Uint64(b[2:])
		f.padded = length < 1<<16
	case length >= 126:
		return frame{}, 0
	}
	var key [4]byte
	if f.masked {
		if len(b) < head+4 {
			return frame{}, 0
		}
		copy(key[:], b[head:])
		head += 4
	}
	if uint64(len(b)-head) < length {
		return frame{}, 0
	}
	f.payload = bytes.Clone(b[head : head+int(length)])
	if f.masked {
		for i := range f.payload {
			f.payload[i] ^= key[i%4]
		}
	}
	return f, head + int(length)
}

func inflate(b []byte) string {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	all, err := io.ReadAll(r)
	if err != nil {
		return fmt.Sprintf("%v in % x", err, b)
	}
	return string(all)
}

// String is how the table writes a frame: `text "hi"`, `close 1000 "bye"`,
// `close empty`, `binary 70000 bytes`.
func (f frame) String() string {
	name := map[byte]string{opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong"}[f.op]
	switch {
	case name == "":
		name = fmt.Sprintf("opcode %#x", f.op)
	case f.op == opClose && f.fin && f.rsv == 0 && len(f.payload) < 126:
		return "close " + closeText(f.payload)
	}
	if !f.fin {
		name += " not final"
	}
	if f.rsv != 0 {
		name += fmt.Sprintf(" rsv %03b", f.rsv)
	}
	if len(f.payload) > 125 {
		return fmt.Sprintf("%s %d bytes", name, len(f.payload))
	}
	return fmt.Sprintf("%s %q", name, f.payload)
}

// closeText is a Close's payload: `1000 "bye"`, `1000`, `empty`, `of 61`.
func closeText(payload []byte) string {
	switch len(payload) {
	case 0:
		return "empty"
	case 1:
		return fmt.Sprintf("of %x", payload)
	}
	return frameText(int(binary.BigEndian.Uint16(payload)), string(payload[2:]))
}

func frameText(code int, reason string) string {
	if reason == "" {
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %q", code, reason)
}
