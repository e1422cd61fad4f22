package closeguard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

const (
	notUTF8 = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited" // a surrogate after Greek; Autobahn 7.5.1
	longest = 123                                                              // bytes of reason that a Close has room for
)

// closePayload writes a Close payload without any of the checks under test.
func closePayload(code uint16, reason string) []byte {
	return append([]byte{byte(code >> 8), byte(code)}, reason...)
}

func stars(n int) string { return strings.Repeat("*", n) }

func TestParseCloseFrame(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		want    CloseFrame
		rule    string // "" if legal
		value   int64  // of the error
	}{
		{"nil is an empty Close", nil, CloseFrame{NoStatusReceived, ""}, "", 0},
		{"no bytes are an empty Close", []byte{}, CloseFrame{NoStatusReceived, ""}, "", 0},
		{"code only", closePayload(1000, ""), CloseFrame{NormalClosure, ""}, "", 0},
		{"code and reason", closePayload(1001, "tab closed"), CloseFrame{GoingAway, "tab closed"}, "", 0},
		{"private code", closePayload(4999, "bye"), CloseFrame{4999, "bye"}, "", 0},
		{"1010, whoever sent it", closePayload(1010, ""), CloseFrame{MandatoryExtension, ""}, "", 0},
		{"reason of several scripts", closePayload(1008, "né 鍵 🔑"), CloseFrame{PolicyViolation, "né 鍵 🔑"}, "", 0},
		{"reason with NUL and control characters", closePayload(1000, "a\x00b\r\n\x1b[2J\x7f"), CloseFrame{NormalClosure, "a\x00b\r\n\x1b[2J\x7f"}, "", 0},
		{"reason with U+FFFD", closePayload(1000, "\uFFFD"), CloseFrame{NormalClosure, "\uFFFD"}, "", 0},
		{"longest reason", closePayload(1000, stars(longest)), CloseFrame{NormalClosure, stars(longest)}, "", 0},

		{"one byte", []byte("a"), CloseFrame{NoStatusReceived, ""}, string(closing.RulePayloadLength), 1},
		{"code 0", closePayload(0, ""), CloseFrame{0, ""}, string(closing.RuleCode), 0},
		{"code 999", closePayload(999, "old"), CloseFrame{999, "old"}, string(closing.RuleCode), 999},
		{"code 1004", closePayload(1004, ""), CloseFrame{codeReserved, ""}, string(closing.RuleCode), 1004},
		{"code 1005 is not an empty Close", closePayload(1005, ""), CloseFrame{NoStatusReceived, ""}, string(closing.RuleCode), 1005},
		{"code 1006", closePayload(1006, "gone"), CloseFrame{AbnormalClosure, "gone"}, string(closing.RuleCode), 1006},
		{"code 1015", closePayload(1015, ""), CloseFrame{codeTLSHandshake, ""}, string(closing.RuleCode), 1015},
		{"code 1016", closePayload(1016, ""), CloseFrame{1016, ""}, string(closing.RuleCode), 1016},
		{"code 2999", closePayload(2999, ""), CloseFrame{2999, ""}, string(closing.RuleCode), 2999},
		{"code 5000", closePayload(5000, ""), CloseFrame{5000, ""}, string(closing.RuleCode), 5000},
		{"code 65535", closePayload(65535, ""), CloseFrame{65535, ""}, string(closing.RuleCode), 65535},
		{"reason not UTF-8", closePayload(1000, notUTF8), CloseFrame{NormalClosure, "κ\u1f79σμε\uFFFDedited"}, string(closing.RuleReasonUTF8), 11},
		{"reason ends inside a character", closePayload(1000, "ab\xf0\x9f\x94"), CloseFrame{NormalClosure, "ab\uFFFD"}, string(closing.RuleReasonUTF8), 2},
		{"broken byte after a sent U+FFFD", closePayload(1000, "\uFFFD\xff"), CloseFrame{NormalClosure, "\uFFFD\uFFFD"}, string(closing.RuleReasonUTF8), 3},
		{"repair does not make the reason too long", closePayload(1000, stars(longest-2)+"\xff*"), CloseFrame{NormalClosure, stars(longest - 2)}, string(closing.RuleReasonUTF8), longest - 2},
		{"the code counts before the reason", closePayload(2000, "\xff"), CloseFrame{2000, "\uFFFD"}, string(closing.RuleCode), 2000},
		{"126 bytes", closePayload(1000, stars(longest+1)), CloseFrame{NormalClosure, stars(longest)}, string(closing.RuleControlLength), 126},
		{"a mebibyte", closePayload(1000, stars(1<<20)), CloseFrame{NormalClosure, stars(longest)}, string(closing.RuleControlLength), 2 + 1<<20},
		{"the length counts before the code", closePayload(0, stars(longest+1)), CloseFrame{0, stars(longest)}, string(closing.RuleControlLength), 126},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCloseFrame(tt.payload)
			if got != tt.want {
				t.Errorf("frame %#v, want %#v", got, tt.want)
			}
			if tt.rule == "" {
				if err != nil {
					t.Errorf("error %v, want none", err)
				}
				return
			}
			checkFrameError(t, err, tt.rule, tt.value)
			var fe *FrameError
			if errors.As(err, &fe) && !bytes.Equal(fe.Payload, tt.payload[:min(len(tt.payload), 125)]) {
				t.Errorf("payload kept: %q, want the first 125 bytes of %q", fe.Payload, tt.payload)
			}
		})
	}
}

func checkFrameError(t *testing.T, err error, rule string, value int64) {
	t.Helper()
	var fe *FrameError
	if !errors.As(err, &fe) {
		t.Fatalf("error %v (%T), want a *FrameError", err, err)
	}
	if fe.Rule != rule || fe.Value != value {
		t.Errorf("broken rule %q with value %d, want %q with %d", fe.Rule, fe.Value, rule, value)
	}
}

func TestFourNothings(t *testing.T) {
	type nothing struct {
		frame *CloseFrame
		rule  string
		bytes string
	}
	parse := func(payload []byte) nothing {
		f, err := ParseCloseFrame(payload)
		n := nothing{frame: &f}
		var fe *FrameError
		if errors.As(err, &fe) {
			n.rule, n.bytes = fe.Rule, string(fe.Payload)
		}
		return n
	}
	all := map[string]nothing{
		"no frame":    {},
		"empty Close": parse(nil),
		"code 0":      parse([]byte{0, 0}),
		"one byte":    parse([]byte{0}),
	}
	seen := map[string]string{}
	for name, n := range all {
		text := fmt.Sprintf("%v, rule %q, bytes %q", n.frame, n.rule, n.bytes)
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s are the same: %s", name, other, text)
		}
		seen[text] = name
	}
}

func TestParsedFrameKeepsNothingOfTheBuffer(t *testing.T) {
	for _, code := range []uint16{1000, 1006} {
		buf := closePayload(code, "kept")
		f, err := ParseCloseFrame(buf)
		clear(buf)
		if f.Reason != "kept" {
			t.Errorf("code %d: the reason became %q when the buffer was used again", code, f.Reason)
		}
		var fe *FrameError
		if errors.As(err, &fe) && !bytes.Equal(fe.Payload, closePayload(code, "kept")) {
			t.Errorf("code %d: the error's payload became %q when the buffer was used again", code, fe.Payload)
		}
	}
}

var roles = []Role{Server, Client}

// The same table holds for AppendPayload, which appends nothing of a frame
// that Validate refuses.
func TestValidateAndAppendPayload(t *testing.T) {
	tests := []struct {
		name   string
		frame  CloseFrame
		server string // "" if a server may send the frame
		client string
		value  int64  // of the error
		wire   string // what a role that may send it appends
	}{
		{"empty Close", CloseFrame{NoStatusReceived, ""}, "", "", 0, ""},
		{"code only", CloseFrame{NormalClosure, ""}, "", "", 0, "\x03\xe8"},
		{"code and reason", CloseFrame{GoingAway, "bye"}, "", "", 0, "\x03\xe9bye"},
		{"control characters", CloseFrame{4000, "a\x00\n"}, "", "", 0, "\x0f\xa0a\x00\n"},
		{"longest reason", CloseFrame{4999, stars(longest)}, "", "", 0, "\x13\x87" + stars(longest)},
		{"longest reason in bytes, not characters", CloseFrame{1000, strings.Repeat("鍵", 41)}, "", "", 0, "\x03\xe8" + strings.Repeat("鍵", 41)},
		{"1010 is for clients", CloseFrame{MandatoryExtension, ""}, string(closing.RuleCode), "", 1010, "\x03\xf2"},

		{"zero frame", CloseFrame{}, string(closing.RuleCode), string(closing.RuleCode), 0, ""},
		{"empty Close with a reason", CloseFrame{NoStatusReceived, "bye"}, string(closing.RuleReasonWithoutCode), string(closing.RuleReasonWithoutCode), 3, ""},
		{"1006", CloseFrame{AbnormalClosure, ""}, string(closing.RuleCode), string(closing.RuleCode), 1006, ""},
		{"does not fit 16 bits", CloseFrame{70000, ""}, string(closing.RuleCode), string(closing.RuleCode), 70000, ""},
		{"negative", CloseFrame{-1, ""}, string(closing.RuleCode), string(closing.RuleCode), -1, ""},
		{"reason of 124 bytes", CloseFrame{1000, stars(longest + 1)}, string(closing.RuleReasonLength), string(closing.RuleReasonLength), 124, ""},
		{"124 bytes in fewer characters", CloseFrame{1000, strings.Repeat("é", 62)}, string(closing.RuleReasonLength), string(closing.RuleReasonLength), 124, ""},
		{"reason not UTF-8", CloseFrame{1000, "ab\xffc"}, string(closing.RuleReasonUTF8), string(closing.RuleReasonUTF8), 2, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, role := range roles {
				rule := tt.server
				if role == Client {
					rule = tt.client
				}
				invalid := tt.frame.Validate(role)
				if rule == "" {
					if invalid != nil {
						t.Errorf("%v: %v, want no error", role, invalid)
					}
					if got := tt.frame.inside().AppendPayload([]byte("dst")); string(got) != "dst"+tt.wire {
						t.Errorf("%v: appended %q, want %q", role, got, "dst"+tt.wire)
					}
					continue
				}
				checkFrameError(t, invalid, rule, tt.value)
			}
		})
	}
}

func TestFit(t *testing.T) {
	tests := []struct {
		name  string
		frame CloseFrame
		role  Role
		want  CloseFrame
	}{
		{"legal", CloseFrame{PolicyViolation, "bad token"}, Server, CloseFrame{PolicyViolation, "bad token"}},
		{"empty Close", CloseFrame{NoStatusReceived, ""}, Server, CloseFrame{NoStatusReceived, ""}},
		{"control characters are legal", CloseFrame{1000, "a\x00\r\n"}, Server, CloseFrame{1000, "a\x00\r\n"}},
		{"1010 from a client", CloseFrame{MandatoryExtension, "x"}, Client, CloseFrame{MandatoryExtension, "x"}},

		{"1005 loses its reason", CloseFrame{NoStatusReceived, "bye"}, Server, CloseFrame{NoStatusReceived, ""}},
		{"1006 is going away", CloseFrame{AbnormalClosure, "gone"}, Server, CloseFrame{GoingAway, "gone"}},
		{"1015 is going away", CloseFrame{codeTLSHandshake, ""}, Client, CloseFrame{GoingAway, ""}},
		{"1010 from a server", CloseFrame{MandatoryExtension, "x"}, Server, CloseFrame{InternalError, "x"}},
		{"1004", CloseFrame{codeReserved, ""}, Server, CloseFrame{InternalError, ""}},
		{"zero frame", CloseFrame{}, Server, CloseFrame{InternalError, ""}},
		{"999", CloseFrame{999, ""}, Client, CloseFrame{InternalError, ""}},
		{"2999", CloseFrame{2999, "x"}, Client, CloseFrame{InternalError, "x"}},
		{"5000", CloseFrame{5000, ""}, Server, CloseFrame{InternalError, ""}},
		{"70000", CloseFrame{70000, ""}, Server, CloseFrame{InternalError, ""}},
		{"-1", CloseFrame{-1, ""}, Server, CloseFrame{InternalError, ""}},

		{"broken bytes become one U+FFFD", CloseFrame{1000, "a\xff\xfe\xfdb"}, Server, CloseFrame{1000, "a\uFFFDb"}},
		{"repaired before it is cut", CloseFrame{1000, strings.Repeat("\xff", 200) + "b"}, Server, CloseFrame{1000, "\uFFFDb"}},
		{"U+FFFD does not fit any more", CloseFrame{1000, stars(122) + "\xff"}, Server, CloseFrame{1000, stars(122)}},
		{"code and reason at once", CloseFrame{1006, "\xff" + stars(200)}, Server, CloseFrame{1001, "\uFFFD" + stars(120)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.frame.Fit(tt.role)
			if got != tt.want {
				t.Errorf("Fit(%v) = %#v, want %#v", tt.role, got, tt.want)
			}
			if err := got.Validate(tt.role); err != nil {
				t.Errorf("the fitted frame is not valid: %v", err)
			}
		})
	}
}

// A character of each length begins at each byte around the 123rd.
func TestFitCutsBetweenCharacters(t *testing.T) {
	for _, char := range []string{"*", "é", "鍵", "🔑"} {
		for before := 118; before <= 124; before++ {
			want := before + len(char) // the character and nothing behind it
			if want > longest {
				want = min(before, longest)
			}
			t.Run(fmt.Sprintf("%d bytes at %d", len(char), before), func(t *testing.T) {
				got := CloseFrame{1000, stars(before) + char}.Fit(Server).Reason
				if len(got) != want {
					t.Errorf("%d bytes are left, want %d", len(got), want)
				}
				if !utf8.ValidString(got) {
					t.Errorf("the cut broke a character: %q", got)
				}
			})
		}
	}
}

func TestFitOfEveryCodeIsValid(t *testing.T) {
	for c := Code(-10); c <= 70_000; c++ {
		for _, role := range roles {
			f := CloseFrame{c, "r"}
			got := f.Fit(role)
			if err := got.Validate(role); err != nil {
				t.Fatalf("Fit(%v) of %v gives %v: %v", role, f, got, err)
			}
			if f.Validate(role) == nil && got != f {
				t.Fatalf("Fit(%v) changed the valid frame %v to %v", role, f, got)
			}
		}
	}
}

func TestCloseFrameString(t *testing.T) {
	tests := []struct {
		frame CloseFrame
		want  string
	}{
		{CloseFrame{GoingAway, "tab closed"}, `1001 going away "tab closed"`},
		{CloseFrame{GoingAway, ""}, `1001 going away`},
		{CloseFrame{NoStatusReceived, ""}, `1005 no status received`},
		{CloseFrame{}, `0 unused`},
		{CloseFrame{4000, "né"}, `4000 private use "né"`},
		{CloseFrame{1000, "a\nlevel=error \"b\"\x00\x1b[2J\u202e\xff"}, `1000 normal closure "a\nlevel=error \"b\"\x00\x1b[2J\u202e\xff"`},
	}
	for _, tt := range tests {
		if got := tt.frame.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestFrameErrorText(t *testing.T) {
	tests := []struct {
		rule  string
		value int64
		want  string
	}{
		{string(closing.RuleCode), 0, "closeguard: close code 0 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)"},
		{string(closing.RuleCode), 1004, "closeguard: close code 1004 is reserved (RFC 6455 section 7.4.1)"},
		{string(closing.RuleCode), 1005, "closeguard: close code 1005 must not appear in a frame (RFC 6455 section 7.4.1)"},
		{string(closing.RuleCode), 1006, "closeguard: close code 1006 must not appear in a frame (RFC 6455 section 7.4.1)"},
		{string(closing.RuleCode), 1015, "closeguard: close code 1015 must not appear in a frame (RFC 6455 section 7.4.1)"},
		{string(closing.RuleCode), 1010, "closeguard: close code 1010 is for clients only (RFC 6455 section 7.4.1)"},
		{string(closing.RuleCode), 2999, "closeguard: close code 2999 is not assigned (RFC 6455 section 7.4.2)"},
		{string(closing.RuleCode), 70000, "closeguard: close code 70000 is outside 1000 to 4999 (RFC 6455 section 7.4.2)"},
		{string(closing.RuleReasonWithoutCode), 3, "closeguard: close reason of 3 bytes has no code before it (RFC 6455 section 5.5.1)"},
		{string(closing.RulePayloadLength), 1, "closeguard: close payload of length 1 is too short for a code (RFC 6455 section 5.5.1)"},
		{string(closing.RuleReasonLength), 124, "closeguard: close reason of 124 bytes is longer than 123 (RFC 6455 section 5.5)"},
		{string(closing.RuleReasonUTF8), 7, "closeguard: close reason is not UTF-8 at byte 7 (RFC 6455 section 5.5.1)"},
		{string(closing.RuleControlLength), 126, "closeguard: control frame of 126 bytes is longer than 125 (RFC 6455 section 5.5)"},
		{string(closing.RuleFragmentedControl), 9, "closeguard: control frame with opcode 0x9 is fragmented (RFC 6455 section 5.5)"},
		{string(closing.RuleMask), 0, "closeguard: frame with mask bit 0 came from a client (RFC 6455 section 5.1)"},
		{string(closing.RuleMask), 1, "closeguard: frame with mask bit 1 came from a server (RFC 6455 section 5.1)"},
		{string(closing.RuleRSV), 4, "closeguard: reserved bits 100 are set and no extension uses them (RFC 6455 section 5.2)"},
		{string(closing.RuleOpcode), 11, "closeguard: opcode 0xb is reserved (RFC 6455 section 5.2)"},
		{string(closing.RuleLength), -1, "closeguard: payload length 0xffffffffffffffff has its highest bit set (RFC 6455 section 5.2)"},
		{string(closing.RuleContinuation), 0, "closeguard: frame with opcode 0x0 continues no message (RFC 6455 section 5.4)"},
		{string(closing.RuleInterleaved), 1, "closeguard: frame with opcode 0x1 begins a message inside another (RFC 6455 section 5.4)"},
		{"", 0, `closeguard: illegal frame: rule "", value 0`},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.rule, tt.value), func(t *testing.T) {
			err := &FrameError{Rule: tt.rule, Value: tt.value}
			if got := err.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFrameErrorIsFound(t *testing.T) {
	_, parsed := ParseCloseFrame([]byte{0})
	valid := CloseFrame{NormalClosure, ""}.Validate(Server)
	_, legal := ParseCloseFrame(nil)
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"from ParseCloseFrame", parsed, true},
		{"from Validate", CloseFrame{}.Validate(Server), true},
		{"wrapped", fmt.Errorf("reading: %w", parsed), true},
		{"joined", errors.Join(io.EOF, parsed), true},

		{"of a valid frame", valid, false},
		{"of a legal payload", legal, false},
		{"another error", io.EOF, false},
		{"as text", errors.New(parsed.Error()), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var fe *FrameError
			if got := errors.As(tt.err, &fe); got != tt.want {
				t.Errorf("errors.As(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
	if valid != nil || legal != nil {
		t.Errorf("what is legal gives the errors %v and %v, want nil", valid, legal)
	}
}

func TestFrameAllocates(t *testing.T) {
	var (
		kept   string // on the heap
		frame  = CloseFrame{GoingAway, stars(longest)}
		short  = closePayload(1001, "")
		reason = closePayload(1001, stars(longest))
	)
	tests := []struct {
		name string
		f    func()
		want float64
	}{
		{"validate", func() { _ = frame.Validate(Server) }, 0},
		{"fit of a valid frame", func() { _ = frame.Fit(Server) }, 0},
		{"parse an empty Close", func() { _, _ = ParseCloseFrame(nil) }, 0},
		{"parse a code", func() { _, _ = ParseCloseFrame(short) }, 0},
		{"parse a reason", func() { f, _ := ParseCloseFrame(reason); kept = f.Reason }, 1},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(100, tt.f); got != tt.want {
			t.Errorf("%s: %v allocations, want %v", tt.name, got, tt.want)
		}
	}
	if kept != frame.Reason {
		t.Errorf("parsed %q, want %q", kept, frame.Reason)
	}
}

// What a peer sends must not decide how much is remembered of it.
func TestParseOfAnOverlongPayloadIsBounded(t *testing.T) {
	const limit = 64 << 10 // far more than is kept: the rest of the program allocates too
	huge := closePayload(1000, stars(16<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := ParseCloseFrame(huge)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("%d bytes allocated for a payload of %d, want at most %d", got, len(huge), limit)
	}
	runtime.KeepAlive(f)
	runtime.KeepAlive(err)
}

func BenchmarkParseCloseFrame(b *testing.B) {
	p := closePayload(1001, "server shutting down")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseCloseFrame(p); err != nil {
			b.Fatal(err)
		}
	}
}
