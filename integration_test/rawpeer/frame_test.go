package rawpeer

import (
	"bytes"
	"reflect"
	"testing"
)

// The frames of RFC 6455 section 5.7, and some that no client may send.
func TestFrameBytes(t *testing.T) {
	hello := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, tt := range []struct {
		name  string
		frame Frame
		wire  string
	}{
		{"text, not masked", Frame{Fin: true, Opcode: OpText, Payload: []byte("Hello"), Bare: true}, "\x81\x05Hello"},
		{"text, masked", Text("Hello"), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"first fragment", Frame{Opcode: OpText, Payload: []byte("Hel"), Bare: true}, "\x01\x03Hel"},
		{"last fragment", Frame{Fin: true, Payload: []byte("lo"), Bare: true}, "\x80\x02lo"},
		{"pong, masked", Pong("Hello"), "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"256 bytes", Frame{Fin: true, Opcode: OpBinary, Payload: make([]byte, 256), Bare: true}, "\x82\x7e\x01\x00" + string(make([]byte, 256))},
		{"64 KiB", Frame{Fin: true, Opcode: OpBinary, Payload: make([]byte, 65536), Bare: true}, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + string(make([]byte, 65536))},
		{"compressed", Frame{Fin: true, RSV: 4, Opcode: OpText, Bare: true}, "\xc1\x00"},
		{"close", Frame{Fin: true, Opcode: OpClose, Payload: Close(1000, "bye").Payload, Bare: true}, "\x88\x05\x03\xe8bye"},
		{"close of one byte", Frame{Fin: true, Opcode: OpClose, Payload: []byte{3}, Bare: true}, "\x88\x01\x03"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire := tt.frame.Append(nil, hello)
			if string(wire) != tt.wire {
				t.Fatalf("wrote % x, want % x", wire, tt.wire)
			}
			for n := range wire {
				if _, used := parse(wire[:n]); used != 0 {
					t.Fatalf("the first %d of %d bytes are taken for a frame", n, len(wire))
				}
			}
			got, used := parse(append(wire, "more"...))
			if used != uint64(len(wire)) {
				t.Errorf("the frame has %d bytes, used %d", len(wire), used)
			}
			want := tt.frame
			want.Masked, want.Bare = !want.Bare, false
			if want.Masked {
				want.Mask = hello
			}
			if got.Payload = bytes.Clone(got.Payload); len(got.Payload) == 0 {
				got.Payload = nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %v, want %v", got, want)
			}
		})
	}
}

func TestFrameClaimsAnyLength(t *testing.T) {
	f := Frame{Fin: true, Opcode: OpClose, Payload: []byte("ab"), Bare: true, Claim: 1 << 40}
	if got, want := string(f.Append(nil, [4]byte{})), "\x88\x7f\x00\x00\x01\x00\x00\x00\x00\x00ab"; got != want {
		t.Errorf("wrote % x, want % x", got, want)
	}
	if _, n := parse(f.Append(nil, [4]byte{})); n != 0 {
		t.Errorf("took %d bytes for a frame of 2^40", n)
	}
}

func TestPaddedLengths(t *testing.T) {
	for _, wire := range []string{"\x88\x7e\x00\x02\x03\xe8", "\x88\x7f\x00\x00\x00\x00\x00\x00\x00\x02\x03\xe8"} {
		if f, n := parse([]byte(wire)); n != uint64(len(wire)) || !f.Padded || f.CloseCode() != 1000 {
			t.Errorf("% x is %v of %d bytes, want a padded close 1000", wire, f, n)
		}
	}
	f := Close(1000, "")
	f.Bare, f.Padded = true, true
	if got, want := string(f.Append(nil, [4]byte{})), "\x88\x7e\x00\x02\x03\xe8"; got != want {
		t.Errorf("wrote % x, want % x", got, want)
	}
}

func TestFragments(t *testing.T) {
	got := Fragments(Frame{Opcode: OpText, RSV: 4}, "a", "b", "c")
	want := []Frame{
		{Opcode: OpText, RSV: 4, Payload: []byte("a")},
		{Payload: []byte("b")},
		{Fin: true, Payload: []byte("c")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCloseCode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frame  Frame
		code   int
		reason string
		text   string
	}{
		{"code and reason", Close(4000, "bye"), 4000, "bye", `close 4000 "bye"`},
		{"code", Close(1000, ""), 1000, "", `close 1000 ""`},
		{"code zero", Close(0, ""), 0, "", `close 0 ""`},
		{"empty", ClosePayload(nil), 1005, "", "close empty"},
		{"one byte", ClosePayload([]byte{3}), -1, "", `close "\x03"`},
		{"not a close", Text("hello"), -1, "", `text "hello"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.frame.CloseCode(); got != tt.code {
				t.Errorf("code %d, want %d", got, tt.code)
			}
			if got := tt.frame.CloseReason(); got != tt.reason {
				t.Errorf("reason %q, want %q", got, tt.reason)
			}
			if got := tt.frame.String(); got != tt.text {
				t.Errorf("String() = %s, want %s", got, tt.text)
			}
		})
	}
}
