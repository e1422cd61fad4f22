package closeguard

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// referenceClose reads a received Close by the letter of RFC 6455 sections 5.5,
// 5.5.1 and 7.4 and of the registry, and says which rule it breaks.
func referenceClose(p []byte) (CloseFrame, string) {
	if len(p) < 2 {
		return CloseFrame{Code: 1005}, []string{"", string(closing.RulePayloadLength)}[len(p)]
	}
	f := CloseFrame{Code(p[0])*256 + Code(p[1]), string(p[2:])}
	c := f.Code
	switch {
	case len(p) > 125:
		return f, string(closing.RuleControlLength)
	case c < 1000, c == 1004, c == 1005, c == 1006, c >= 1015 && c < 3000, c >= 5000:
		return f, string(closing.RuleCode)
	case string([]rune(f.Reason)) != f.Reason:
		return f, string(closing.RuleReasonUTF8)
	default:
		return f, ""
	}
}

func FuzzParseCloseFrame(f *testing.F) {
	for _, seed := range [][]byte{
		nil,
		[]byte("a"),
		{0, 0},
		closePayload(1000, ""),
		closePayload(1001, "server shutting down"),
		closePayload(1005, ""),
		closePayload(1008, "bad token"),
		closePayload(1010, "permessage-deflate"),
		closePayload(1014, ""),
		closePayload(3008, "timeout"),
		closePayload(4999, "a\x00b\r\n"),
		closePayload(65535, ""),
		closePayload(1000, "κόσμε"),
		closePayload(1000, notUTF8),
		closePayload(1000, stars(123)),
		closePayload(1000, stars(124)),
		closePayload(2000, stars(300)+"\xff"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		frame, err := ParseCloseFrame(p)
		want, rule := referenceClose(p)
		if err == nil && (rule != "" || frame != want) {
			t.Errorf("read %v, want %v, broken rule %q", frame, want, rule)
		}
		if len(frame.Reason) > longest || !utf8.ValidString(frame.Reason) {
			t.Errorf("the reason is not fit to keep: %q", frame.Reason)
		}
		for _, role := range roles {
			if err := frame.Fit(role).Validate(role); err != nil {
				t.Errorf("%v: what was fitted is not valid: %v", role, err)
			}
		}
		if err == nil {
			// A client may send all that may be received.
			if err := frame.Validate(Client); err != nil {
				t.Errorf("read %v: %v", frame, err)
			}
			if again := frame.inside().AppendPayload(nil); !bytes.Equal(again, p) {
				t.Errorf("read %v, written again as %q", frame, again)
			}
			return
		}
		var fe *FrameError
		if !errors.As(err, &fe) {
			t.Fatalf("error %v (%T), want a *FrameError", err, err)
		}
		if fe.Rule != rule || frame.Code != want.Code {
			t.Errorf("read %v, %v; want code %d, broken rule %q", frame, err, want.Code, rule)
		}
		if want := p[:min(len(p), 125)]; !bytes.Equal(fe.Payload, want) {
			t.Errorf("payload kept: %q, want %q", fe.Payload, want)
		}
		if fe.Rule == string(closing.RuleReasonUTF8) && utf8.FullRune(p[2+fe.Value:]) {
			if _, size := utf8.DecodeRune(p[2+fe.Value:]); size > 1 {
				t.Errorf("byte %d of reason %q begins a character", fe.Value, p[2:])
			}
		}
	})
}

// referenceFit is the code nearest to one that a role wants to send.
func referenceFit(c Code, role Role) Code {
	switch {
	case c == 1006, c == 1015:
		return 1001
	case c < 1000, c == 1004, c == 1010 && role != Client, c > 1015 && c < 3000, c > 4999:
		return 1011
	default:
		return c
	}
}

func FuzzFit(f *testing.F) {
	f.Add(1000, "bye", uint8(Server))
	f.Add(1005, "bye", uint8(Client))
	f.Add(1006, notUTF8, uint8(Server))
	f.Add(1010, "", uint8(Server))
	f.Add(70000, stars(122)+"é", uint8(Client))
	f.Add(0, stars(120)+"\xf0\x9f\x94", uint8(7))
	f.Fuzz(func(t *testing.T, code int, reason string, r uint8) {
		frame, role := CloseFrame{Code(code), reason}, Role(r)
		got := frame.Fit(role)
		if err := got.Validate(role); err != nil {
			t.Fatalf("Fit(%v) of %#v gives %#v: %v", role, frame, got, err)
		}
		p := got.inside().AppendPayload(nil)
		if read, err := ParseCloseFrame(p); err != nil || read != got {
			t.Errorf("sent %#v, the peer reads %#v, %v", got, read, err)
		}
		if want := referenceFit(frame.Code, role); got.Code != want {
			t.Errorf("Fit(%v) of code %d gives %d, want %d", role, code, got.Code, want)
		}
		if frame.Validate(role) == nil && got != frame {
			t.Errorf("Fit(%v) changed the valid frame %#v to %#v", role, frame, got)
		}
		if again := got.Fit(role); again != got {
			t.Errorf("fitted twice: %#v, then %#v", got, again)
		}
		if utf8.ValidString(reason) && got.Code != NoStatusReceived {
			n := len(got.Reason)
			if n > len(reason) || got.Reason != reason[:n] || n < min(len(reason), longest-utf8.UTFMax+1) {
				t.Errorf("%q was cut to %q", reason, got.Reason)
			}
		}
	})
}
