package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// frame is what there is to know of one frame.
type frame struct {
	header  Header
	fault   Fault
	payload string // unmasked, as far as it has come
	whole   bool
}

// record is what there is to know of a stream up to some byte.
type record struct {
	frames    []frame
	left      uint64 // of the last frame's payload
	inPayload bool
	between   bool
	inMessage bool
	lost      bool
}

// scan hands the scanner one piece after the other and records what it says.
// It checks what every call must keep.
func scan(t *testing.T, s *Scanner, pieces ...[]byte) record {
	t.Helper()
	var r record
	for _, p := range pieces {
		for token := Start; token != More; {
			var n int
			n, token = s.Next(p)
			switch {
			case n < 0 || n > len(p) || token == More && n < len(p):
				t.Fatalf("Next took %d of %d bytes and said %d", n, len(p), token)
			case token == Start:
				r.frames = append(r.frames, frame{header: s.Header(), fault: s.Fault()})
			case token == End || s.InPayload():
				f := &r.frames[len(r.frames)-1]
				payload := slices.Clone(p[:n])
				if h := s.Header(); h.Masked {
					XOR(payload, h.Mask, len(f.payload))
				}
				f.payload += string(payload)
				f.whole = token == End
			}
			p = p[n:]
		}
	}
	r.left, r.inPayload, r.between, r.inMessage, r.lost = s.Left(), s.InPayload(), s.Between(), s.InMessage(), s.Lost()
	return r
}

// cut cuts b into pieces of the given sizes, over and over.
func cut(b []byte, sizes ...byte) [][]byte {
	var pieces [][]byte
	for len(b) > 0 {
		before := len(b)
		for _, size := range sizes {
			n := min(int(size), len(b))
			pieces, b = append(pieces, b[:n]), b[n:]
		}
		if len(b) == before { // there is no size above 0
			pieces, b = append(pieces, b), nil
		}
	}
	return pieces
}

func checkRecord(t *testing.T, what string, got, want record) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func stars(n int) string { return strings.Repeat("*", n) }

var (
	aMask   = [4]byte{0x37, 0xfa, 0x21, 0x3d}
	hugeLow = "\x7f\xff\xff\xff\xff\xff\xff\xff" // the longest legal length
)

// The bytes come in every cut into two pieces: the header is what it is, and
// Start comes at its last byte.
func TestHeader(t *testing.T) {
	tests := []struct {
		name  string
		bytes string
		want  Header
	}{
		{"no payload", "\x81\x00", Header{Opcode: Text, Final: true}},
		{"7-bit length", "\x82\x7d", Header{Opcode: Binary, Final: true, Length: 125}},
		{"16-bit length, shortest", "\x82\x7e\x00\x7e", Header{Opcode: Binary, Final: true, Length: 126}},
		{"16-bit length, longest", "\x82\x7e\xff\xff", Header{Opcode: Binary, Final: true, Length: 65535}},
		{"64-bit length, shortest", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", Header{Opcode: Binary, Final: true, Length: 65536}},
		{"64-bit length, longest", "\x82\x7f" + hugeLow, Header{Opcode: Binary, Final: true, Length: 1<<63 - 1}},
		{"16 bits for a length of 5", "\x82\x7e\x00\x05", Header{Opcode: Binary, Final: true, Length: 5}},
		{"64 bits for a length of 5", "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x05", Header{Opcode: Binary, Final: true, Length: 5}},
		{"64 bits for no payload", "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x00", Header{Opcode: Binary, Final: true}},

		{"masked, no payload", "\x89\x80\x37\xfa\x21\x3d", Header{Opcode: Ping, Final: true, Masked: true, Mask: aMask}},
		{"masked, 7 bits", "\x81\x85\x37\xfa\x21\x3d", Header{Opcode: Text, Final: true, Masked: true, Mask: aMask, Length: 5}},
		{"masked, 16 bits", "\x81\xfe\x01\x02\x37\xfa\x21\x3d", Header{Opcode: Text, Final: true, Masked: true, Mask: aMask, Length: 258}},
		{"masked, 64 bits", "\x81\xff" + hugeLow + "\x37\xfa\x21\x3d", Header{Opcode: Text, Final: true, Masked: true, Mask: aMask, Length: 1<<63 - 1}},
		{"masked with zeros", "\x81\x81\x00\x00\x00\x00", Header{Opcode: Text, Final: true, Masked: true, Length: 1}},

		{"first fragment", "\x01\x03", Header{Opcode: Text, Length: 3}},
		{"compressed", "\xc1\x03", Header{Opcode: Text, Final: true, RSV: 4, Length: 3}},
		{"RSV2", "\xa2\x00", Header{Opcode: Binary, Final: true, RSV: 2}},
		{"RSV3", "\x92\x00", Header{Opcode: Binary, Final: true, RSV: 1}},
		{"Close", "\x88\x02", Header{Opcode: Close, Final: true, Length: 2}},
		{"Pong", "\x8a\x00", Header{Opcode: Pong, Final: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for at := range len(tt.bytes) {
				s := Scanner{Masked: tt.want.Masked, Claimed: 7}
				if n, token := s.Next([]byte(tt.bytes[:at])); n != at || token != More {
					t.Fatalf("the first %d bytes: took %d and said %d, want More", at, n, token)
				}
				behind := []byte(tt.bytes[at:] + "next")
				if n, token := s.Next(behind); n != len(tt.bytes)-at || token != Start {
					t.Fatalf("cut at %d: took %d of the rest and said %d, want Start", at, n, token)
				}
				if s.Header() != tt.want || s.Opcode() != tt.want.Opcode {
					t.Errorf("cut at %d:\n got %+v\nwant %+v", at, s.Header(), tt.want)
				}
				if s.Fault() != NoFault {
					t.Errorf("cut at %d: fault %d", at, s.Fault())
				}
				if !s.InPayload() || s.Left() != tt.want.Length {
					t.Errorf("cut at %d: InPayload %v, Left %d, want true, %d", at, s.InPayload(), s.Left(), tt.want.Length)
				}
			}
		})
	}
}

func TestOpcodeControl(t *testing.T) {
	for o := Opcode(0); o <= 0xf; o++ {
		if got, want := o.Control(), o >= 8; got != want {
			t.Errorf("%#x: control %v, want %v", byte(o), got, want)
		}
	}
}

// Each block begins with a header that breaks all its rules, and each line
// below it keeps one more: of several faults the first in the list is told.
func TestFaults(t *testing.T) {
	const (
		mask   = "abcd"
		tooBig = "\x80\x00\x00\x00\x00\x00\x00\x00"
	)
	tests := []struct {
		name   string
		before string // frames that are there already
		header string
		want   Fault
	}{
		{"control: length", "", "\x7b\xff" + tooBig + mask, FaultLength},
		{"control: reserved bits", "", "\x7b\xfe\x00\x7e" + mask, FaultRSV},
		{"control: opcode", "", "\x0b\xfe\x00\x7e" + mask, FaultOpcode},
		{"control: mask", "", "\x09\xfe\x00\x7e" + mask, FaultMask},
		{"control: fragment", "", "\x09\x7e\x00\x7e", FaultFragment},
		{"control: over 125 bytes", "", "\x89\x7e\x00\x7e", FaultControl},
		{"control", "", "\x89\x7d", NoFault},

		{"in a message: length", "\x01\x00", "\x73\xff" + tooBig + mask, FaultLength},
		{"in a message: reserved bits", "\x01\x00", "\x73\x80" + mask, FaultRSV},
		{"in a message: opcode", "\x01\x00", "\x03\x80" + mask, FaultOpcode},
		{"in a message: mask", "\x01\x00", "\x02\x80" + mask, FaultMask},
		{"in a message: another one", "\x01\x00", "\x02\x00", FaultInterleaved},
		{"in a message: continuation", "\x01\x00", "\x00\x00", NoFault},

		{"no message: length", "", "\x70\xff" + tooBig + mask, FaultLength},
		{"no message: reserved bits", "", "\x70\x80" + mask, FaultRSV},
		{"no message: mask", "", "\x00\x80" + mask, FaultMask},
		{"no message: continuation", "", "\x00\x00", FaultContinuation},
		{"no message: a new one", "", "\x02\x00", NoFault},

		{"another message, final", "\x01\x00", "\x81\x00", FaultInterleaved},
		{"continuation behind a whole message", "\x81\x00", "\x80\x00", FaultContinuation},
		{"continuation behind the final one", "\x01\x00\x80\x00", "\x80\x00", FaultContinuation},
		{"continuation behind a ping in a message", "\x01\x00\x89\x00", "\x80\x00", NoFault},
		{"new message behind a fragmented one", "\x01\x00\x80\x00", "\x81\x00", NoFault},
		{"Close in a message", "\x01\x00", "\x88\x00", NoFault},
		{"Close of 126 bytes", "", "\x88\x7e\x00\x7e", FaultControl},
		{"Close that claims 2^40 bytes", "", "\x88\x7f\x00\x00\x01\x00\x00\x00\x00\x00", FaultControl},
		{"Close that is not final", "", "\x08\x02", FaultFragment},
		{"Close of 125 bytes in 64 bits", "", "\x88\x7f\x00\x00\x00\x00\x00\x00\x00\x7d", NoFault},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s Scanner
			got := scan(t, &s, []byte(tt.before+tt.header)).frames
			if f := got[len(got)-1]; f.fault != tt.want || s.Fault() != tt.want {
				t.Errorf("fault %d, want %d", f.fault, tt.want)
			}
			for _, f := range got[:len(got)-1] {
				if f.fault != NoFault {
					t.Errorf("the frame before it has fault %d", f.fault)
				}
			}
		})
	}
}

func TestReservedOpcodes(t *testing.T) {
	for o := Opcode(0); o <= 0xf; o++ {
		s := Scanner{fragmented: o == Continuation}
		scan(t, &s, []byte{0x80 | byte(o), 0})
		want := NoFault
		if !slices.Contains([]Opcode{Continuation, Text, Binary, Close, Ping, Pong}, o) {
			want = FaultOpcode
		}
		if s.Fault() != want {
			t.Errorf("%#x: fault %d, want %d", byte(o), s.Fault(), want)
		}
	}
}

func TestWhoMustMask(t *testing.T) {
	for _, masked := range []bool{false, true} {
		for _, frame := range []string{"\x81\x00", "\x81\x80abcd"} {
			s := Scanner{Masked: masked}
			scan(t, &s, []byte(frame))
			want := NoFault
			if s.Header().Masked != masked {
				want = FaultMask
			}
			if s.Fault() != want {
				t.Errorf("Masked %v, frame %q: fault %d, want %d", masked, frame, s.Fault(), want)
			}
		}
	}
}

func TestReservedBitsBelongToTheExtension(t *testing.T) {
	for rsv := byte(0); rsv < 8; rsv++ {
		for _, o := range []Opcode{Text, Binary, Continuation, Close, Ping, Pong} {
			for _, claimed := range []byte{0, 4, 7} {
				s := Scanner{Claimed: claimed, fragmented: o == Continuation}
				scan(t, &s, []byte{0x80 | rsv<<4 | byte(o), 0})
				want := NoFault
				if rsv&^claimed > 0 || rsv > 0 && (o.Control() || claimed == 4 && o == Continuation) {
					want = FaultRSV
				}
				if s.Fault() != want {
					t.Errorf("RSV %d, opcode %#x, claimed %d: fault %d, want %d", rsv, byte(o), claimed, s.Fault(), want)
				}
			}
		}
	}
}

// Behind a frame that breaks a rule the next one is found and judged by itself.
func TestGoesOnAfterAFault(t *testing.T) {
	tests := []struct {
		name  string
		frame string
		fault Fault
		next  string // legal behind it
	}{
		{"reserved bits", "\xc1\x03\x81\x00\x88", FaultRSV, "\x88\x02\x03\xe8"},
		{"opcode", "\x83\x03\x81\x00\x88", FaultOpcode, "\x88\x02\x03\xe8"},
		{"mask", "\x81\x83\x01\x02\x03\x04\x81\x00\x88", FaultMask, "\x88\x02\x03\xe8"},
		{"fragmented control frame", "\x09\x03\x81\x00\x88", FaultFragment, "\x81\x02hi"},
		{"overlong control frame", "\x89\x7e\x00\x80" + stars(128), FaultControl, "\x81\x02hi"},
		{"continuation", "\x80\x03\x81\x00\x88", FaultContinuation, "\x81\x02hi"},
		{"continuation with more to come", "\x00\x03\x81\x00\x88", FaultContinuation, "\x80\x02hi"},
		{"interleaved message", "\x01\x01a\x81\x03\x81\x00\x88", FaultInterleaved, "\x81\x02hi"},
		{"interleaved fragment", "\x01\x01a\x01\x03\x81\x00\x88", FaultInterleaved, "\x80\x02hi"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for at := range len(tt.frame + tt.next) {
				var s Scanner
				stream := []byte(tt.frame + tt.next)
				got := scan(t, &s, stream[:at], stream[at:])
				last := len(got.frames) - 1
				if f := got.frames[last-1]; f.fault != tt.fault || !f.whole {
					t.Errorf("cut at %d: the frame is %+v, want fault %d", at, f, tt.fault)
				}
				if f := got.frames[last]; f.fault != NoFault || f.payload != tt.next[2:] || !f.whole {
					t.Errorf("cut at %d: the next frame is %+v, want %q without a fault", at, f, tt.next[2:])
				}
				if !got.between || got.inMessage || got.lost {
					t.Errorf("cut at %d: ends with %+v, want it between messages", at, got)
				}
			}
		})
	}
}

// Behind a length that no stream can have there is no next frame.
func TestLostAfterAnImpossibleLength(t *testing.T) {
	const header = "\x88\xff\xff\xff\xff\xff\xff\xff\xff\xffabcd"
	rest := "\x88\x80abcd\x00\x00\x81\x80abcd" // would be frames
	payload := make([]byte, len(rest))
	for i := range payload {
		payload[i] = rest[i] ^ "abcd"[i%4]
	}
	for at := range len(header + rest) {
		s := Scanner{Masked: true}
		stream := []byte(header + rest)
		got := scan(t, &s, stream[:at], stream[at:])
		want := record{
			frames: []frame{{
				header:  Header{Opcode: Close, Final: true, Masked: true, Mask: [4]byte([]byte("abcd")), Length: 1<<64 - 1},
				fault:   FaultLength,
				payload: string(payload),
			}},
			left:      1<<64 - 1 - uint64(len(rest)),
			inPayload: true,
			lost:      true,
		}
		checkRecord(t, fmt.Sprintf("cut at %d", at), got, want)
	}
}

// One letter for each byte, and one before the first: . between messages,
// m between frames of a message, h inside a header, p inside a payload, x lost;
// below it how many bytes of payload are left.
func TestWhereItStandsAfterEachByte(t *testing.T) {
	tests := []struct {
		name   string
		masked bool
		stream string
		where  string
		left   string
	}{
		{"text", false, "\x81\x02hi",
			".hpp.",
			"00210"},
		{"masked text", true, "\x81\x82abcd\x00\x00",
			".hhhhhpp.",
			"000000210"},
		{"empty frames", false, "\x81\x00\x89\x00\x82\x00",
			".h.h.h.",
			"0000000"},
		{"masked and empty", true, "\x8a\x80abcd",
			".hhhhh.",
			"0000000"},
		{"16-bit length", false, "\x82\x7e\x00\x02hi",
			".hhhpp.",
			"0000210"},
		{"64-bit length", true, "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01abcd\x00",
			".hhhhhhhhhhhhhp.",
			"0000000000000010"},
		{"fragments", false, "\x01\x01a\x00\x00\x00\x01b\x80\x01c",
			".hpmhmhpmhp.",
			"001000010010"},
		{"control frames between fragments", false, "\x02\x01a\x89\x01?\x8a\x00\x80\x01b\x89\x00",
			".hpmhpmhmhp.h.",
			"00100100001000"},
		{"Close between fragments", false, "\x01\x01a\x88\x02\x03\xe8",
			".hpmhppm",
			"00100210"},
		{"impossible length", false, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00\x81\x00",
			".hhhhhhhhhxxx",
			"0000000000   "},
		{"impossible length in a message", false, "\x01\x00\x80\x7f\x80\x00\x00\x00\x00\x00\x00\x00\x81\x00",
			".hmhhhhhhhhhxxx",
			"000000000000   "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Scanner{Masked: tt.masked}
			for i := range len(tt.where) {
				if i > 0 {
					skip(&s, []byte(tt.stream[i-1:i]))
				}
				w := tt.where[i]
				if got, want := s.Between(), w == '.' || w == 'm'; got != want {
					t.Errorf("after %d bytes: Between %v, want %v", i, got, want)
				}
				if got, want := s.InMessage(), w != '.' && w != 'x'; got != want {
					t.Errorf("after %d bytes: InMessage %v, want %v", i, got, want)
				}
				if got, want := s.InPayload(), w == 'p' || w == 'x'; got != want {
					t.Errorf("after %d bytes: InPayload %v, want %v", i, got, want)
				}
				if got, want := s.Lost(), w == 'x'; got != want {
					t.Errorf("after %d bytes: Lost %v, want %v", i, got, want)
				}
				if got := s.Left(); w != 'x' && got != uint64(tt.left[i]-'0') {
					t.Errorf("after %d bytes: Left %d, want %c", i, got, tt.left[i])
				}
			}
		})
	}
}

// skip goes over bytes without a record of them.
func skip(s *Scanner, p []byte) {
	for {
		n, token := s.Next(p)
		if p = p[n:]; token == More {
			return
		}
	}
}

func TestAnEmptyFrameEndsWithItsHeader(t *testing.T) {
	var s Scanner
	if n, token := s.Next([]byte("\x89\x00")); n != 2 || token != Start {
		t.Fatalf("took %d, said %d, want Start", n, token)
	}
	if n, token := s.Next(nil); n != 0 || token != End {
		t.Fatalf("took %d, said %d, want End", n, token)
	}
	if n, token := s.Next(nil); n != 0 || token != More {
		t.Fatalf("took %d, said %d, want More", n, token)
	}
}

func TestACopyLooksAhead(t *testing.T) {
	stream := []byte("\x01\x05hello\x88\x00\x80\x00")
	for at := range stream {
		var s Scanner
		skip(&s, stream[:at])
		was, ahead := s, s
		if skip(&ahead, stream[at:]); !ahead.Between() || ahead.InMessage() {
			t.Errorf("the copy made after %d bytes ends inside something: %+v", at, ahead)
		}
		if s != was {
			t.Errorf("after %d bytes the original went on too", at)
		}
	}
}

// Whatever way a control frame is cut, masked or not, its payload comes out as it was
// meant and what was handed in stays as it is.
func TestCollectorAtEverySplit(t *testing.T) {
	const text = "Hello, mask"
	for _, mask := range []*[4]byte{nil, {}, &aMask} {
		wire := AppendControl(nil, Close, []byte(text), mask)
		for i := range len(wire) + 1 {
			for j := i; j <= len(wire); j++ {
				s := Scanner{Masked: mask != nil}
				stream := slices.Clone(wire)
				var c Collector
				if collect(&c, &s, stream[:i], stream[i:j], stream[j:]); string(c.Payload()) != text {
					t.Fatalf("mask %v, cut at %d and %d: %q, want %q", mask, i, j, c.Payload(), text)
				}
				if !bytes.Equal(stream, wire) {
					t.Fatalf("mask %v, cut at %d and %d: the stream was changed", mask, i, j)
				}
			}
		}
	}
}

// collect takes the payload of the control frames that the pieces are.
func collect(c *Collector, s *Scanner, pieces ...[]byte) {
	for _, p := range pieces {
		for token := Start; token != More; {
			var n int
			if n, token = s.Next(p); token == End || token == More && s.InPayload() {
				c.Take(s, p[:n])
			}
			p = p[n:]
		}
	}
}

func TestXOR(t *testing.T) {
	mask := [4]byte{1, 2, 4, 8}
	for at := range 9 {
		p := make([]byte, 7)
		XOR(p, mask, at)
		for i, b := range p {
			if want := mask[(at+i)%4]; b != want {
				t.Errorf("at %d: byte %d is masked with %d, want %d", at, i, b, want)
			}
		}
		XOR(p, mask, at)
		if !bytes.Equal(p, make([]byte, 7)) {
			t.Errorf("at %d: masked twice, got % x", at, p)
		}
	}
}

func TestAppendControl(t *testing.T) {
	tests := []struct {
		name    string
		opcode  Opcode
		payload string
		mask    *[4]byte
		want    string
	}{
		{"a server's, empty", Close, "", nil, "\x88\x00"},
		{"a server's", Close, "\x03\xe8ok", nil, "\x88\x04\x03\xe8ok"},
		{"a server's, longest", Close, stars(125), nil, "\x88\x7d" + stars(125)},
		{"a client's, empty", Close, "", &aMask, "\x88\x80\x37\xfa\x21\x3d"},
		{"a client's", Close, "\x03\xe8ok", &aMask, "\x88\x84\x37\xfa\x21\x3d\x34\x12\x4e\x56"},
		{"a client's with a mask of zeros", Close, "\x03\xe8", &[4]byte{}, "\x88\x82\x00\x00\x00\x00\x03\xe8"},
		{"a client's, longest", Close, stars(125), &[4]byte{}, "\x88\xfd\x00\x00\x00\x00" + stars(125)},
		{"a ping", Ping, "?", nil, "\x89\x01?"},
		{"a client's pong", Pong, "Hello", &aMask, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"}, // RFC 6455 section 5.7
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := []byte(tt.payload)
			if got := string(AppendControl([]byte("dst"), tt.opcode, payload, tt.mask)); got != "dst"+tt.want {
				t.Errorf("got %q, want %q", got, "dst"+tt.want)
			}
			if string(payload) != tt.payload {
				t.Errorf("the payload was changed to %q", payload)
			}
		})
	}
}

func TestScannerAllocatesNothing(t *testing.T) {
	var c Collector
	for _, masked := range []bool{false, true} {
		frames := []byte("\x81\x05hello\x01\x7e\x01\x00" + stars(256) + "\x80\x00\x88\x02\x03\xe8")
		if masked {
			frames = []byte("\x81\x85abcdhello\x01\xfe\x01\x00abcd" + stars(256) + "\x80\x80abcd\x88\x82abcd\x03\xe8")
		}
		for _, size := range []byte{1, 7, 255} {
			pieces := cut(frames, size)
			s := Scanner{Masked: masked}
			got := testing.AllocsPerRun(100, func() {
				for _, p := range pieces {
					for token := Start; token != More; {
						var n int
						n, token = s.Next(p)
						if s.Opcode() == Close && token == End {
							c.Reset()
							c.Take(&s, p[:n])
						}
						p = p[n:]
					}
				}
			})
			if got != 0 {
				t.Errorf("masked %v, pieces of %d: %v allocations, want none", masked, size, got)
			}
			if s.Fault() != NoFault || !s.Between() || s.Lost() {
				t.Errorf("masked %v, pieces of %d: ends with fault %d", masked, size, s.Fault())
			}
		}
	}
}
