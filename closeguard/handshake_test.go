package closeguard

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

const gorillas1014 = "bad close code 1014" // what gorilla/websocket answers to a code that it doesn't know

func closeOf(code uint16) []byte { return closePayload(code, "") }

// left is what leaves by a verdict, in the words of a test: the frame, "empty"
// or "nothing".
func left(t *testing.T, v verdict) string {
	t.Helper()
	if !v.send {
		if v.frame != (CloseFrame{}) || v.as != nil {
			t.Errorf("nothing is sent, and yet the verdict has %+v", v)
		}
		return "nothing"
	}
	if f, err := ParseCloseFrame(v.as); f != v.frame || err != nil && f.Code != MandatoryExtension {
		t.Errorf("the verdict says %v and its payload %v, %v", v.frame, f, err)
	}
	if len(v.as) == 0 {
		return "empty"
	}
	return v.frame.String()
}

func said(f *CloseFrame) string {
	if f == nil {
		return "none"
	}
	return f.String()
}

// Rule 2: of a Close that the library begins, what is legal leaves as it is,
// byte for byte; anything else leaves as its Fit, and is remembered.
func TestTheLibraryBeginsAClose(t *testing.T) {
	tests := []struct {
		name     string
		role     Role
		payload  []byte
		left     string
		intended string
	}{
		{"empty", Server, nil, "empty", "none"},
		{"code only", Server, closeOf(1000), `1000 normal closure`, "none"},
		{"code and reason", Server, closePayload(1008, "bad token"), `1008 policy violation "bad token"`, "none"},
		{"control characters", Client, closePayload(4000, "\x00\n"), `4000 private use "\x00\n"`, "none"},
		{"longest reason", Client, closePayload(3000, stars(123)), `3000 unauthorized "` + stars(123) + `"`, "none"},
		{"1014", Server, closeOf(1014), `1014 bad gateway`, "none"},
		{"1010 from a client", Client, closeOf(1010), `1010 mandatory extension`, "none"},
		{"gorilla's refusal, unasked", Server, closePayload(1002, gorillas1014), `1002 protocol error "bad close code 1014"`, "none"},

		{"1010 from a server", Server, closePayload(1010, "x"), `1011 internal error "x"`, `1010 mandatory extension "x"`},
		{"one byte", Server, []byte{3}, "empty", `1005 no status received`},
		{"code 0", Server, closeOf(0), `1011 internal error`, `0 unused`},
		{"code 999", Client, closePayload(999, "old"), `1011 internal error "old"`, `999 unused "old"`},
		{"code 1004", Server, closeOf(1004), `1011 internal error`, `1004 reserved`},
		{"code 1005 as a number", Server, closePayload(1005, "bye"), "empty", `1005 no status received "bye"`},
		{"code 1006", Server, closePayload(1006, "gone"), `1001 going away "gone"`, `1006 abnormal closure "gone"`},
		{"code 1015", Client, closeOf(1015), `1001 going away`, `1015 TLS handshake`},
		{"code 1016", Server, closeOf(1016), `1011 internal error`, `1016 unassigned`},
		{"code 2999", Server, closeOf(2999), `1011 internal error`, `2999 unassigned`},
		{"code 5000", Client, closeOf(5000), `1011 internal error`, `5000 outside`},
		{"code 65535", Server, closeOf(65535), `1011 internal error`, `65535 outside`},
		{"reason not UTF-8", Server, closePayload(1000, "a\xffb"), "1000 normal closure \"a\uFFFDb\"", "1000 normal closure \"a\uFFFDb\""},
		{"reason of 124 bytes", Server, closePayload(1000, stars(124)), `1000 normal closure "` + stars(123) + `"`, `1000 normal closure "` + stars(123) + `"`},
		{"code and reason illegal", Server, closePayload(1006, "\xff"), "1001 going away \"\uFFFD\"", "1006 abnormal closure \"\uFFFD\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := handshake{role: tt.role}
			v := h.outgoing(tt.payload)
			if got := left(t, v); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if got := said(h.intended); got != tt.intended {
				t.Errorf("intended: %s, want %s", got, tt.intended)
			}
			if h.misfit != (tt.intended != "none") {
				t.Errorf("misfit is %v", h.misfit)
			}
			if tt.intended == "none" && string(v.as) != string(tt.payload) {
				t.Errorf("a legal payload %q became %q", tt.payload, v.as)
			}
			if err := v.frame.Validate(tt.role); err != nil {
				t.Errorf("what leaves is not legal: %v", err)
			}
			if !h.open() {
				t.Error("a Close counts before it has left")
			}
		})
	}
}

// The same for a Close that the guard is asked to begin. Here codes come that
// don't fit on the wire.
func TestTheGuardBeginsAClose(t *testing.T) {
	tests := []struct {
		name     string
		role     Role
		frame    CloseFrame
		left     string
		intended string
	}{
		{"empty", Server, CloseFrame{Code: NoStatusReceived}, "empty", "none"},
		{"code and reason", Server, CloseFrame{GoingAway, "bye"}, `1001 going away "bye"`, "none"},
		{"1010 from a client", Client, CloseFrame{Code: MandatoryExtension}, `1010 mandatory extension`, "none"},
		{"1010 from a server", Server, CloseFrame{Code: MandatoryExtension}, `1011 internal error`, `1010 mandatory extension`},
		{"zero frame", Server, CloseFrame{}, `1011 internal error`, `0 unused`},
		{"70000", Server, CloseFrame{70000, "x"}, `1011 internal error "x"`, `70000 outside "x"`},
		{"-1", Client, CloseFrame{Code: -1}, `1011 internal error`, `-1 outside`},
		{"1006", Server, CloseFrame{Code: AbnormalClosure}, `1001 going away`, `1006 abnormal closure`},
		{"reason without a code", Server, CloseFrame{NoStatusReceived, "bye"}, "empty", `1005 no status received "bye"`},
		{"reason of 124 bytes", Server, CloseFrame{4000, stars(124)}, `4000 private use "` + stars(123) + `"`, `4000 private use "` + stars(124) + `"`},
		{"reason not UTF-8", Server, CloseFrame{4000, "\xff"}, "4000 private use \"\uFFFD\"", `4000 private use "\xff"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := handshake{role: tt.role}
			if got := left(t, h.own(tt.frame)); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if got := said(h.intended); got != tt.intended || h.misfit != (tt.intended != "none") {
				t.Errorf("intended: %s, misfit %v, want %s", got, h.misfit, tt.intended)
			}
		})
	}
}

// Rule 4: the library's answer stands. Replaced are an echo of what is illegal,
// an empty answer to a payload of one byte, gorilla's answer to 1014, and what
// is illegal itself. A replaced answer is not an intended Close.
func TestTheLibraryAnswers(t *testing.T) {
	tests := []struct {
		name     string
		role     Role
		received []byte
		answer   []byte
		left     string
	}{
		{"echo of a code", Server, closeOf(1000), closeOf(1000), `1000 normal closure`},
		{"echo of code and reason", Server, closePayload(4000, "bye"), closePayload(4000, "bye"), `4000 private use "bye"`},
		{"echo without the reason", Server, closePayload(1001, "bye"), closeOf(1001), `1001 going away`},
		{"echo of an empty Close", Client, nil, nil, "empty"},
		{"a code for an empty Close", Server, nil, closeOf(1000), `1000 normal closure`},
		{"empty for a code", Server, closeOf(4000), nil, "empty"},
		{"another code", Server, closeOf(1000), closePayload(1008, "no"), `1008 policy violation "no"`},
		{"echo of 1014", Server, closeOf(1014), closeOf(1014), `1014 bad gateway`},
		{"a refusal of what the guard takes", Server, closeOf(1000), closePayload(1002, "RSV1 set"), `1002 protocol error "RSV1 set"`},

		{"a server echoes 1010", Server, closePayload(1010, "deflate"), closePayload(1010, "deflate"), `1010 mandatory extension "deflate"`},
		{"a server repeats 1010 with its own reason", Server, closePayload(1010, "deflate"), closePayload(1010, "no"), `1010 mandatory extension "no"`},
		{"a client echoes 1010", Client, closeOf(1010), closeOf(1010), `1010 mandatory extension`},
		{"a server answers 1000 with 1010", Server, closeOf(1000), closePayload(1010, "x"), `1011 internal error "x"`},
		{"a client answers 1000 with 1010", Client, closeOf(1000), closeOf(1010), `1010 mandatory extension`},

		{"gorilla on 1014", Server, closePayload(1014, "bad backend"), closePayload(1002, gorillas1014), `1014 bad gateway`},
		{"gorilla's words for another code", Server, closeOf(1013), closePayload(1002, gorillas1014), `1002 protocol error "bad close code 1014"`},
		{"gorilla's words with another code", Server, closeOf(1014), closePayload(1003, gorillas1014), `1003 unsupported data "bad close code 1014"`},
		{"another 1002 on 1014", Server, closeOf(1014), closePayload(1002, "RSV1 set"), `1002 protocol error "RSV1 set"`},
		{"gorilla on 1014 with a broken reason", Server, closePayload(1014, "\xff"), closePayload(1002, gorillas1014), `1002 protocol error "bad close code 1014"`},

		{"echo of code 0", Server, closeOf(0), closeOf(0), `1002 protocol error`},
		{"echo of 1006", Server, closePayload(1006, "gone"), closePayload(1006, "gone"), `1002 protocol error`},
		{"echo of 1006 without the reason", Server, closePayload(1006, "gone"), closeOf(1006), `1002 protocol error`},
		{"echo of 65535", Client, closeOf(65535), closeOf(65535), `1002 protocol error`},
		{"echo of 1005 as a number", Server, closeOf(1005), closeOf(1005), `1002 protocol error`},
		{"empty for 1005 as a number", Server, closeOf(1005), nil, `1002 protocol error`},
		{"echo of one byte", Server, []byte("a"), []byte("a"), `1002 protocol error`},
		{"empty for one byte", Server, []byte("a"), nil, `1002 protocol error`},
		{"echo of bad UTF-8", Server, closePayload(1000, notUTF8), closePayload(1000, notUTF8), `1007 invalid frame payload data`},
		{"echo of bad UTF-8 without the reason", Server, closePayload(1000, notUTF8), closeOf(1000), `1007 invalid frame payload data`},
		{"echo of bad UTF-8 up to the bad byte", Server, closePayload(1000, "ab\xff"), closePayload(1000, "ab"), `1007 invalid frame payload data`},
		{"something else that is illegal", Server, closeOf(999), closeOf(1006), `1002 protocol error`},

		{"1002 for an illegal code", Server, closeOf(999), closePayload(1002, "bad close code 999"), `1002 protocol error "bad close code 999"`},
		{"1002 for one byte", Server, []byte("a"), closeOf(1002), `1002 protocol error`},
		{"1002 for bad UTF-8", Server, closePayload(1000, notUTF8), closePayload(1002, "invalid utf8"), `1002 protocol error "invalid utf8"`},
		{"1002 for bad UTF-8 behind 1002", Server, closePayload(1002, notUTF8), closePayload(1002, "invalid utf8"), `1002 protocol error "invalid utf8"`},
		{"1000 for an illegal code", Server, closeOf(999), closeOf(1000), `1000 normal closure`},
		{"empty for an illegal code", Server, closeOf(999), nil, "empty"},
		{"empty for bad UTF-8", Server, closePayload(1000, notUTF8), nil, "empty"},

		{"an illegal code for 1000", Server, closeOf(1000), closePayload(1006, "gone"), `1001 going away "gone"`},
		{"one byte for 1000", Server, closeOf(1000), []byte("a"), "empty"},
		{"bad UTF-8 for 1000", Server, closeOf(1000), closePayload(4000, "a\xff"), "4000 private use \"a\uFFFD\""},
		{"bad UTF-8 with the peer's 1010", Server, closeOf(1010), closePayload(1010, "a\xff"), "1010 mandatory extension \"a\uFFFD\""},
		{"124 bytes with the peer's 1010", Server, closeOf(1010), closePayload(1010, stars(124)), `1010 mandatory extension "` + stars(123) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := handshake{role: tt.role}
			h.sawClose(tt.received, 1)
			if got := left(t, h.outgoing(tt.answer)); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if h.intended != nil || h.misfit {
				t.Errorf("the answer counts as intended: %v, misfit %v", h.intended, h.misfit)
			}
		})
	}
}

// What leaves in each situation of a Close 1008 that the library writes, of a
// 1008 that the guard is asked for, and where the library just closes TCP
// (rules 3, 4, 5).
func TestWhatMayLeave(t *testing.T) {
	var (
		eof       = func(h *handshake) { h.sawEnd(io.EOF) }
		reset     = func(h *handshake) { h.sawEnd(syscall.ECONNRESET) }
		abort     = func(h *handshake) { h.abort() }
		timeout   = func(h *handshake) { h.timedOut = errTimeout }
		violation = func(h *handshake) { h.sawFault(&FrameError{Rule: RuleRSV, Value: 4}) }
		peer      = func(p []byte) func(*handshake) { return func(h *handshake) { h.sawClose(p, 1) } }
		ours      = func(h *handshake) { h.sentClose(CloseFrame{Code: GoingAway}, 1) }
		then      = func(steps ...func(*handshake)) []func(*handshake) { return steps }
	)
	const (
		none    = "nothing"
		policy  = "1008 policy violation"
		bare    = "1001 going away"
		broken  = "1002 protocol error"
		badUTF8 = "1007 invalid frame payload data"
		normal  = "1000 normal closure"
	)
	tests := []struct {
		name               string
		before             []func(*handshake)
		library, own, last string
		intended           bool // the 1008 that doesn't leave is remembered
	}{
		{"nothing happened", then(), policy, policy, bare, false},
		{"a violation", then(violation), policy, policy, broken, false},
		{"a timeout", then(timeout), policy, policy, none, false},
		{"a violation and a timeout", then(violation, timeout), policy, policy, none, false},
		{"EOF", then(eof), none, none, none, true},
		{"a reset", then(reset), none, none, none, true},
		{"a violation and EOF", then(violation, eof), none, none, none, true},
		{"an abort", then(abort), none, none, none, true},

		{"the peer's Close", then(peer(closeOf(1000))), policy, normal, normal, false},
		{"the peer's Close with a reason", then(peer(closePayload(1000, "r"))), policy, normal + ` "r"`, normal + ` "r"`, false},
		{"the peer's empty Close", then(peer(nil)), policy, "empty", "empty", false},
		{"the peer's 1010", then(peer(closeOf(1010))), policy, "1010 mandatory extension", "1010 mandatory extension", false},
		{"the peer's 1014", then(peer(closeOf(1014))), policy, "1014 bad gateway", "1014 bad gateway", false},
		{"the peer's illegal code", then(peer(closePayload(1006, "r"))), policy, broken, broken, false},
		{"the peer's one byte", then(peer([]byte("a"))), policy, broken, broken, false},
		{"the peer's bad UTF-8", then(peer(closePayload(1000, notUTF8))), policy, badUTF8, badUTF8, false},
		{"a violation, then the peer's Close", then(violation, peer(closeOf(1000))), policy, normal, normal, false},
		{"the peer's Close, then a timeout", then(peer(closeOf(1000)), timeout), policy, normal, normal, false},
		{"the peer's Close, then EOF", then(peer(closeOf(1000)), eof), policy, none, none, false},
		{"the peer's Close, then an abort", then(peer(closeOf(1000)), abort), none, none, none, false},

		{"our Close", then(ours), none, none, none, false},
		{"our Close and its answer", then(ours, peer(closeOf(1001))), none, none, none, false},
		{"the peer's Close and our answer", then(peer(closeOf(1000)), ours), none, none, none, false},
		{"our Close, then EOF", then(ours, eof), none, none, none, false},
		{"our Close, then an abort", then(ours, abort), none, none, none, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := func() *handshake {
				h := &handshake{role: Server}
				for _, step := range tt.before {
					step(h)
				}
				return h
			}
			want := "none"
			if tt.intended {
				want = policy
			}
			h := after()
			if got := left(t, h.outgoing(closeOf(1008))); got != tt.library {
				t.Errorf("the library's Close leaves as %s, want %s", got, tt.library)
			}
			if got := said(h.intended); got != want || h.misfit {
				t.Errorf("the library's: intended %s, misfit %v, want %s", got, h.misfit, want)
			}
			h = after()
			if got := left(t, h.own(CloseFrame{Code: PolicyViolation})); got != tt.own {
				t.Errorf("the guard's own leaves as %s, want %s", got, tt.own)
			}
			if got := said(h.intended); got != want || h.misfit {
				t.Errorf("the guard's: intended %s, misfit %v, want %s", got, h.misfit, want)
			}
			h = after()
			f, ok := h.last(CloseFrame{Code: GoingAway})
			v := verdict{}
			if ok {
				v = h.say(f)
			}
			if got := left(t, v); got != tt.last {
				t.Errorf("a bare close sends %s, want %s", got, tt.last)
			}
			if h.intended != nil {
				t.Errorf("a bare close intended %v", h.intended)
			}
		})
	}
}

var errTimeout = errors.New("i/o timeout")

// NoClose takes the place of the frame for a bare close, and of no other.
func TestBareCloseWithNoClose(t *testing.T) {
	tests := []struct {
		name   string
		before func(*handshake)
		want   string
	}{
		{"nothing happened", func(*handshake) {}, "nothing"},
		{"a violation", func(h *handshake) { h.sawFault(&FrameError{Rule: RuleMask}) }, "1002 protocol error"},
		{"the peer's Close", func(h *handshake) { h.sawClose(closeOf(4000), 1) }, "4000 private use"},
		{"the peer's illegal Close", func(h *handshake) { h.sawClose(closeOf(0), 1) }, "1002 protocol error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h handshake
			tt.before(&h)
			got := "nothing"
			if f, ok := h.last(CloseFrame{Code: NoClose}); ok {
				got = f.String()
			}
			if got != tt.want {
				t.Errorf("sends %s, want %s", got, tt.want)
			}
		})
	}
}

// A Close that can't leave after the end of TCP is remembered as illegal only
// if it is.
func TestIntendedAfterTheEnd(t *testing.T) {
	tests := []struct {
		payload  []byte
		intended string
		misfit   bool
	}{
		{closePayload(1008, "no"), `1008 policy violation "no"`, false},
		{nil, `1005 no status received`, false},
		{closeOf(1006), `1006 abnormal closure`, true},
		{closeOf(1010), `1010 mandatory extension`, true}, // from a server
		{[]byte("a"), `1005 no status received`, true},
	}
	for _, tt := range tests {
		t.Run(tt.intended, func(t *testing.T) {
			h := handshake{role: Server}
			h.sawEnd(io.EOF)
			if got := left(t, h.outgoing(tt.payload)); got != "nothing" {
				t.Errorf("%s leaves after EOF", got)
			}
			if got := said(h.intended); got != tt.intended || h.misfit != tt.misfit {
				t.Errorf("intended %s, misfit %v, want %s, %v", got, h.misfit, tt.intended, tt.misfit)
			}
		})
	}
}

func TestTheFirstIntendedCounts(t *testing.T) {
	var h handshake
	h.own(CloseFrame{Code: 70000})
	h.intend(CloseFrame{Code: InternalError}, true) // the fitted one couldn't be sent
	h.outgoing(closeOf(1006))
	if said(h.intended) != "70000 outside" || !h.misfit {
		t.Errorf("intended %v, misfit %v", h.intended, h.misfit)
	}
}

// A Close that was given up too early and left after all was no intended one.
func TestIntendedLeavesAfterAll(t *testing.T) {
	tests := []struct {
		name   string
		legal  bool
		sent   CloseFrame
		remain string
	}{
		{"itself", true, CloseFrame{GoingAway, "bye"}, "none"},
		{"another", true, CloseFrame{GoingAway, ""}, `1001 going away "bye"`},
		{"its Fit, which looks the same", false, CloseFrame{GoingAway, "bye"}, `1001 going away "bye"`},
	}
	for _, tt := range tests {
		var h handshake
		h.intend(CloseFrame{GoingAway, "bye"}, tt.legal)
		h.sentClose(tt.sent, 1)
		if got := said(h.intended); got != tt.remain {
			t.Errorf("%s left: intended %s, want %s", tt.name, got, tt.remain)
		}
	}
}

// Rule 1: what comes first gives the ending its type, whatever follows.
func TestWhoWasFirst(t *testing.T) {
	steps := []struct {
		name string
		who  party
		do   func(*handshake)
	}{
		{"their Close", byPeer, func(h *handshake) { h.sawClose(closeOf(1000), 1) }},
		{"their illegal Close", byPeer, func(h *handshake) { h.sawClose([]byte("a"), 1) }},
		{"our Close", byUs, func(h *handshake) { h.sentClose(CloseFrame{Code: GoingAway}, 1) }},
		{"EOF", byTransport, func(h *handshake) { h.sawEnd(io.EOF) }},
		{"reset", byTransport, func(h *handshake) { h.sawEnd(syscall.ECONNRESET) }},
		{"abort", byTransport, func(h *handshake) { h.abort() }},
	}
	for _, first := range steps {
		for _, second := range steps {
			t.Run(first.name+", "+second.name, func(t *testing.T) {
				var h handshake
				if !h.open() {
					t.Fatal("a new handshake isn't open")
				}
				for _, step := range append([]struct {
					name string
					who  party
					do   func(*handshake)
				}{first, second}, steps...) {
					step.do(&h)
					if h.first != first.who || h.open() {
						t.Errorf("after %s the first is %d, want %d", step.name, h.first, first.who)
					}
				}
			})
		}
	}
}

// None of these ends a connection.
func TestWhatLeavesAConnectionOpen(t *testing.T) {
	h := handshake{role: Server}
	h.sawFault(&FrameError{Rule: RuleOpcode, Value: 3})
	h.timedOut = errTimeout
	h.outgoing(closeOf(1000))
	h.own(CloseFrame{Code: GoingAway})
	h.last(CloseFrame{Code: GoingAway})
	if !h.open() || h.complete() || h.began != 0 {
		t.Errorf("nothing has left and nothing has ended, and yet: %+v", h)
	}
}

func TestOnlyTheFirstOfEachCounts(t *testing.T) {
	var h handshake
	buf := closePayload(1006, "first")
	h.sawClose(buf, 3)
	clear(buf) // it belongs to somebody else
	h.sawClose(closePayload(1000, "second"), 4)
	h.sentClose(CloseFrame{ProtocolError, "first"}, 5)
	h.sentClose(CloseFrame{NormalClosure, "second"}, 6)
	h.sawEnd(io.EOF)
	h.sawEnd(syscall.ECONNRESET)
	h.sawFault(&FrameError{Rule: RuleRSV})
	h.sawFault(&FrameError{Rule: RuleMask})

	if got := said(h.received); got != `1006 abnormal closure "first"` || h.illegal == nil || h.illegal.Value != 1006 {
		t.Errorf("received %s, %v", got, h.illegal)
	}
	if string(h.illegal.Payload) != string(closePayload(1006, "first")) {
		t.Errorf("its payload is kept as %q", h.illegal.Payload)
	}
	if got := said(h.sent); got != `1002 protocol error "first"` {
		t.Errorf("sent %s", got)
	}
	if !errors.Is(h.down, io.EOF) {
		t.Errorf("the end was %v", h.down)
	}
	if h.fault.Rule != RuleRSV {
		t.Errorf("the fault was %v", h.fault)
	}
	if h.first != byPeer || h.began != 3 || !h.complete() {
		t.Errorf("first %d, began %d, complete %v", h.first, h.began, h.complete())
	}
}

func TestLegalCloseAfterAnIllegalOneChangesNothing(t *testing.T) {
	for _, first := range [][]byte{closeOf(1000), closeOf(999)} {
		var h handshake
		h.sawClose(first, 1)
		was := h
		h.sawClose(closeOf(4000), 2)
		h.sawClose([]byte("a"), 3)
		if h.received != was.received || h.illegal != was.illegal || h.began != was.began {
			t.Errorf("after %q: was %+v, became %+v", first, was, h)
		}
	}
}

// The handshake begins with the first Close; an end without one has none.
func TestWhenTheHandshakeBegan(t *testing.T) {
	tests := []struct {
		name string
		do   func(*handshake)
		want time.Duration
	}{
		{"their Close", func(h *handshake) { h.sawClose(nil, 7); h.sentClose(CloseFrame{}, 8) }, 7},
		{"our Close", func(h *handshake) { h.sentClose(CloseFrame{}, 7); h.sawClose(nil, 8) }, 7},
		{"EOF", func(h *handshake) { h.sawEnd(io.EOF) }, 0},
		{"abort", func(h *handshake) { h.abort() }, 0},
		{"their Close, then an abort", func(h *handshake) { h.sawClose(nil, 7); h.abort() }, 7},
	}
	for _, tt := range tests {
		var h handshake
		if tt.do(&h); h.began != tt.want {
			t.Errorf("%s: began at %d, want %d", tt.name, h.began, tt.want)
		}
	}
}

// A thousand random lives of a connection in each role; see checkLife.
func TestHandshakeLives(t *testing.T) {
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 6455))
		life := make([]byte, 60)
		for i := range life {
			life[i] = byte(random.Uint32())
		}
		for _, role := range roles {
			checkLife(t, role, life)
		}
		if t.Failed() {
			t.Fatalf("seed %d: %x", seed, life)
		}
	}
}
