package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// reference reads a stream of which it has all bytes at hand: the model that
// the scanner is held against, as plain as RFC 6455 section 5.2.
func reference(stream []byte, masked bool, claimed byte) record {
	r := record{between: true}
	open := false // a fragmented message
	for len(stream) > 0 {
		r.between, r.inMessage = false, true
		size := referenceHeaderSize(stream)
		if len(stream) < size {
			return r
		}
		f := frame{header: referenceHeader(stream)}
		f.fault = referenceFault(f.header, masked, claimed, open)
		stream = stream[size:]

		here := min(uint64(len(stream)), f.header.Length)
		payload := bytes.Clone(stream[:here])
		if f.header.Masked {
			for i := range payload {
				payload[i] ^= f.header.Mask[i%4]
			}
		}
		f.payload, f.whole = string(payload), here == f.header.Length
		r.frames = append(r.frames, f)
		stream = stream[here:]

		if f.fault == FaultLength {
			return record{frames: r.frames, left: f.header.Length - here, inPayload: true, lost: true}
		}
		if f.header.Opcode < 8 {
			open = !f.header.Final
		}
		if !f.whole {
			r.left, r.inPayload = f.header.Length-here, true
			return r
		}
		r.between, r.inMessage = true, open
	}
	return r
}

func referenceHeaderSize(b []byte) int {
	if len(b) < 2 {
		return 2
	}
	size := 2 + map[byte]int{126: 2, 127: 8}[b[1]%128]
	if b[1] >= 128 {
		size += 4
	}
	return size
}

func referenceHeader(b []byte) Header {
	h := Header{
		Final:  b[0] >= 128,
		RSV:    b[0] / 16 % 8,
		Opcode: Opcode(b[0] % 16),
		Masked: b[1] >= 128,
		Length: uint64(b[1] % 128),
	}
	b = b[2:]
	switch h.Length {
	case 126:
		h.Length = uint64(b[0])<<8 | uint64(b[1])
		b = b[2:]
	case 127:
		h.Length = binary.BigEndian.Uint64(b)
		b = b[8:]
	}
	if h.Masked {
		h.Mask = [4]byte(b)
	}
	return h
}

func referenceFault(h Header, masked bool, claimed byte, open bool) Fault {
	control := h.Opcode >= 8
	if control || h.Opcode == 0 && claimed == 4 {
		claimed = 0
	}
	for _, rule := range []struct {
		fault  Fault
		broken bool
	}{
		{FaultLength, h.Length >= 1<<63},
		{FaultRSV, h.RSV&^claimed > 0},
		{FaultOpcode, h.Opcode >= 3 && h.Opcode <= 7 || h.Opcode >= 11},
		{FaultMask, h.Masked != masked},
		{FaultFragment, control && !h.Final},
		{FaultControl, control && h.Length > 125},
		{FaultContinuation, h.Opcode == 0 && !open},
		{FaultInterleaved, h.Opcode > 0 && !control && open},
	} {
		if rule.broken {
			return rule.fault
		}
	}
	return NoFault
}

// frameSeeds are real frames of every kind, and broken ones.
var frameSeeds = []string{
	"",
	"\x81\x05Hello", // RFC 6455 section 5.7
	"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", // the same, masked
	"\x01\x03Hel\x80\x02lo",
	"\x01\x03Hel\x89\x00\x8a\x02ok\x00\x00\x80\x02lo",
	"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
	"\x82\x7e\x01\x00" + stars(256),
	"\x82\xfe\x01\x00abcd" + stars(256),
	"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x03abc",
	"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00start of 64 KiB",
	"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", // permessage-deflate, RFC 7692 section 7.2.3
	"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
	"\x88\x00",
	"\x88\x01a",
	"\x88\x02\x03\xe8\x81\x00",
	"\x88\x80abcd",
	"\x88\x82abcd\x62\x8a",
	"\x88\x0c\x03\xe9tab closed",
	"\x08\x02\x03\xe8\x88\x02\x03\xe8",
	"\x88\x7e\x00\x7e\x03\xe8" + stars(124) + "\x88\x00",
	"\x88\x7f\x00\x00\x01\x00\x00\x00\x00\x00a lot",
	"\x88\xff\xff\xff\xff\xff\xff\xff\xff\xffabcdlost",
	"\x83\x00\x8b\x00\xf1\x00\x80\x00\x01\x00\x81\x00\x00\x00",
}

// However its bytes are cut, a stream gives the same record, and it is the
// record that the reference gives. cuts are the sizes of the pieces.
func FuzzScanner(f *testing.F) {
	for _, stream := range frameSeeds {
		for mode := range byte(6) {
			f.Add([]byte(stream), []byte{1}, mode)
			f.Add([]byte(stream), []byte{3, 0, 7, 1}, mode)
		}
	}
	f.Add([]byte(strings.Join(frameSeeds, "")), []byte{5, 2}, byte(0))
	f.Fuzz(func(t *testing.T, stream, cuts []byte, mode byte) {
		masked, claimed := mode&1 != 0, []byte{0, 7, 4, 4}[mode>>1&3]
		want := reference(stream, masked, claimed)
		whole := Scanner{Masked: masked, Claimed: claimed}
		checkRecord(t, "in one piece", scan(t, &whole, stream), want)
		pieces := Scanner{Masked: masked, Claimed: claimed}
		checkRecord(t, fmt.Sprintf("in pieces of %v", cuts), scan(t, &pieces, cut(stream, cuts...)...), want)
		if whole != pieces {
			t.Errorf("the scanners differ:\n in one piece %+v\nin pieces %+v", whole, pieces)
		}
		checkData(t, stream, masked, claimed)
		// The sizes are places to stop at, too.
		for _, at := range cuts[:min(len(cuts), 8)] {
			at := min(int(at), len(stream))
			s := Scanner{Masked: masked, Claimed: claimed}
			checkRecord(t, fmt.Sprintf("the first %d bytes", at), scan(t, &s, stream[:at]), reference(stream[:at], masked, claimed))
		}
	})
}

// checkData tells whether Data takes all data frames that are there,
// from wherever the scanner stands, and leaves it where Next would.
func checkData(t *testing.T, stream []byte, masked bool, claimed byte) {
	t.Helper()
	s := Scanner{Masked: masked, Claimed: claimed}
	for len(stream) > 0 {
		data := s
		n := data.Data(stream)
		if !s.Opcode().Control() && s.Fault() == NoFault || n > 0 {
			skip(&s, stream[:n]) // to the end of a frame without payload, too
		}
		if data != s {
			t.Fatalf("behind %d bytes of data frames:\n Data %+v\n Next %+v", n, data, s)
		}
		stream = stream[n:]
		between := s.Between()
		took, token := s.Next(stream)
		stream = stream[took:]
		if between && token == Start && !s.Opcode().Control() && s.Fault() == NoFault {
			t.Fatalf("Data left a frame with %d bytes of payload", s.Left())
		}
	}
}

// referenceHead reads a head of which it has all bytes at hand.
func referenceHead(stream []byte) headRecord {
	var r headRecord
	for _, line := range strings.SplitAfter(string(stream), "\n") {
		if r.n+len(line) > 64<<10 {
			r.bad, r.n = true, 0
			return r
		}
		r.n += len(line)
		text, whole := strings.CutSuffix(line, "\n")
		if !whole {
			if begun := "HTTP/1."; r.status == 0 && !strings.HasPrefix(text, begun) && !strings.HasPrefix(begun, text) {
				r.bad, r.n = true, 0
			}
			return r
		}
		text = strings.TrimSuffix(text, "\r")
		if r.status == 0 {
			m := statusLine.FindStringSubmatch(text)
			if m == nil {
				r.bad, r.n = true, 0
				return r
			}
			r.status, _ = strconv.Atoi(m[1])
			continue
		}
		if text == "" {
			r.done = true
			return r
		}
		name, value, _ := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		if strings.EqualFold(name, "Sec-WebSocket-Protocol") && r.subprotocol == "" {
			r.subprotocol = value
		}
		if strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			r.claimed |= referenceClaims(value)
		}
	}
	return r
}

func referenceClaims(extensions string) byte {
	elements := regexp.MustCompile(`[^,]+`).FindAllString(extensions, -1)
	var rsv byte
	for _, element := range elements {
		switch strings.ToLower(strings.TrimSpace(strings.Split(element, ";")[0])) {
		case "":
		case "permessage-deflate":
			rsv |= 4
		default:
			rsv = 7
		}
	}
	return rsv
}

var statusLine = regexp.MustCompile(`^HTTP/1\.[^ ]* (00[1-9]|0[1-9][0-9]|[1-9][0-9][0-9])( |$)`)

// However its bytes are cut, a head gives the same record.
func FuzzHead(f *testing.F) {
	for _, stream := range []string{
		"",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05Hello",
		"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n",
		"HTTP/1.1 101\nsec-websocket-protocol:a\nSEC-WEBSOCKET-PROTOCOL:b\n\n\n",
		"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nBad Request\n",
		"HTTP/1.1 1010 \r\n\r\n",
		"HTTP/1.1 000\r\n",
		"HTTP/1.1 101\nSec-WebSocket-Extensions:,unknown\n\n",
		"SSH-2.0-OpenSSH\r\n",
		"\r\n\r\n",
		"HTTP/1.1 101 \r\r\n\r\r\n",
	} {
		f.Add([]byte(stream), []byte{1})
		f.Add([]byte(stream), []byte{7, 0, 2})
	}
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		want := referenceHead(stream)
		var whole, pieces Head
		if got := feed(&whole, stream); got != want {
			t.Errorf("in one piece:\n got %+v\nwant %+v", got, want)
		}
		if got := feed(&pieces, cut(stream, cuts...)...); got != want {
			t.Errorf("in pieces of %v:\n got %+v\nwant %+v", cuts, got, want)
		}
	})
}
