package closing

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

const gorillas1014 = "bad close code 1014" // what gorilla/websocket answers to a code that it doesn't know

func closeOf(code uint16) []byte { return closePayload(code, "") }

// left is what leaves by a Verdict, in the words of a test: the frame, "empty"
// or "nothing".
func left(t *testing.T, v Verdict) string {
	t.Helper()
	if !v.Send {
		if v.Frame != (Frame{}) || v.Payload != nil {
			t.Errorf("nothing is sent, and yet the Verdict has %+v", v)
		}
		return "nothing"
	}
	if f, err := Parse(v.Payload); f != v.Frame || err != nil && f.Code != MandatoryExtension {
		t.Errorf("the Verdict says %v and its payload %v, %v", v.Frame, f, err)
	}
	if len(v.Payload) == 0 {
		return "empty"
	}
	return v.Frame.String()
}

func said(f *Frame) string {
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
		{"code only", Server, closeOf(1000), `1000`, "none"},
		{"code and reason", Server, closePayload(1008, "bad token"), `1008 "bad token"`, "none"},
		{"control characters", Client, closePayload(4000, "\x00\n"), `4000 "\x00\n"`, "none"},
		{"longest reason", Client, closePayload(3000, stars(123)), `3000 "` + stars(123) + `"`, "none"},
		{"1014", Server, closeOf(1014), `1014`, "none"},
		{"1010", Client, closeOf(1010), `1010`, "none"},
		{"gorilla's refusal, unasked", Server, closePayload(1002, gorillas1014), `1002 "bad close code 1014"`, "none"},

		{"1010", Server, closePayload(1010, "x"), `1011 "x"`, `1010 "x"`},
		{"one byte", Server, []byte{3}, "empty", `1005`},
		{"code 0", Server, closeOf(0), `1011`, `0`},
		{"code 999", Client, closePayload(999, "old"), `1011 "old"`, `999 "old"`},
		{"code 1004", Server, closeOf(1004), `1011`, `1004`},
		{"code 1005 as a number", Server, closePayload(1005, "bye"), "empty", `1005 "bye"`},
		{"code 1006", Server, closePayload(1006, "gone"), `1001 "gone"`, `1006 "gone"`},
		{"code 1015", Client, closeOf(1015), `1001`, `1015`},
		{"code 1016", Server, closeOf(1016), `1011`, `1016`},
		{"code 2999", Server, closeOf(2999), `1011`, `2999`},
		{"code 5000", Client, closeOf(5000), `1011`, `5000`},
		{"code 65535", Server, closeOf(65535), `1011`, `65535`},
		{"reason not UTF-8", Server, closePayload(1000, "a\xffb"), "1000 \"a\uFFFDb\"", "1000 \"a\uFFFDb\""},
		{"reason of 124 bytes", Server, closePayload(1000, stars(124)), `1000 "` + stars(123) + `"`, `1000 "` + stars(123) + `"`},
		{"code and reason illegal", Server, closePayload(1006, "\xff"), "1001 \"\uFFFD\"", "1006 \"\uFFFD\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Record{Role: tt.role}
			v := h.outgoing(tt.payload)
			if got := left(t, v); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if got := said(h.Intended); got != tt.intended {
				t.Errorf("intended: %s, want %s", got, tt.intended)
			}
			if h.Misfit != (tt.intended != "none") {
				t.Errorf("misfit is %v", h.Misfit)
			}
			if tt.intended == "none" && string(v.Payload) != string(tt.payload) {
				t.Errorf("a legal payload %q became %q", tt.payload, v.Payload)
			}
			if err := v.Frame.Check(tt.role); err != nil {
				t.Errorf("what leaves is not legal: %v", err)
			}
			if !h.Open() {
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
		frame    Frame
		left     string
		intended string
	}{
		{"empty", Server, Frame{Code: NoStatusReceived}, "empty", "none"},
		{"code and reason", Server, Frame{GoingAway, "bye"}, `1001 "bye"`, "none"},
		{"1010", Client, Frame{Code: MandatoryExtension}, `1010`, "none"},
		{"1010", Server, Frame{Code: MandatoryExtension}, `1011`, `1010`},
		{"zero frame", Server, Frame{}, `1011`, `0`},
		{"70000", Server, Frame{70000, "x"}, `1011 "x"`, `70000 "x"`},
		{"-1", Client, Frame{Code: -1}, `1011`, `-1`},
		{"1006", Server, Frame{Code: AbnormalClosure}, `1001`, `1006`},
		{"reason without a code", Server, Frame{NoStatusReceived, "bye"}, "empty", `1005 "bye"`},
		{"reason of 124 bytes", Server, Frame{4000, stars(124)}, `4000 "` + stars(123) + `"`, `4000 "` + stars(124) + `"`},
		{"reason not UTF-8", Server, Frame{4000, "\xff"}, "4000 \"\uFFFD\"", `4000 "\xff"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Record{Role: tt.role}
			if got := left(t, h.ours(tt.frame)); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if got := said(h.Intended); got != tt.intended || h.Misfit != (tt.intended != "none") {
				t.Errorf("intended: %s, misfit %v, want %s", got, h.Misfit, tt.intended)
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
		{"echo of a code", Server, closeOf(1000), closeOf(1000), `1000`},
		{"echo of code and reason", Server, closePayload(4000, "bye"), closePayload(4000, "bye"), `4000 "bye"`},
		{"echo without the reason", Server, closePayload(1001, "bye"), closeOf(1001), `1001`},
		{"echo of an empty Close", Client, nil, nil, "empty"},
		{"a code for an empty Close", Server, nil, closeOf(1000), `1000`},
		{"empty for a code", Server, closeOf(4000), nil, "empty"},
		{"another code", Server, closeOf(1000), closePayload(1008, "no"), `1008 "no"`},
		{"echo of 1014", Server, closeOf(1014), closeOf(1014), `1014`},
		{"a refusal of what the guard takes", Server, closeOf(1000), closePayload(1002, "RSV1 set"), `1002 "RSV1 set"`},

		{"a server echoes 1010", Server, closePayload(1010, "deflate"), closePayload(1010, "deflate"), `1010 "deflate"`},
		{"a server repeats 1010 with its own reason", Server, closePayload(1010, "deflate"), closePayload(1010, "no"), `1010 "no"`},
		{"a client echoes 1010", Client, closeOf(1010), closeOf(1010), `1010`},
		{"a server answers 1000 with 1010", Server, closeOf(1000), closePayload(1010, "x"), `1011 "x"`},
		{"a client answers 1000 with 1010", Client, closeOf(1000), closeOf(1010), `1010`},

		{"gorilla on 1014", Server, closePayload(1014, "bad backend"), closePayload(1002, gorillas1014), `1014`},
		{"gorilla's words for another code", Server, closeOf(1013), closePayload(1002, gorillas1014), `1002 "bad close code 1014"`},
		{"gorilla's words with another code", Server, closeOf(1014), closePayload(1003, gorillas1014), `1003 "bad close code 1014"`},
		{"another 1002 on 1014", Server, closeOf(1014), closePayload(1002, "RSV1 set"), `1002 "RSV1 set"`},
		{"gorilla on 1014 with a broken reason", Server, closePayload(1014, "\xff"), closePayload(1002, gorillas1014), `1002 "bad close code 1014"`},

		{"echo of code 0", Server, closeOf(0), closeOf(0), `1002`},
		{"echo of 1006", Server, closePayload(1006, "gone"), closePayload(1006, "gone"), `1002`},
		{"echo of 1006 without the reason", Server, closePayload(1006, "gone"), closeOf(1006), `1002`},
		{"echo of 65535", Client, closeOf(65535), closeOf(65535), `1002`},
		{"echo of 1005 as a number", Server, closeOf(1005), closeOf(1005), `1002`},
		{"empty for 1005 as a number", Server, closeOf(1005), nil, `1002`},
		{"echo of one byte", Server, []byte("a"), []byte("a"), `1002`},
		{"empty for one byte", Server, []byte("a"), nil, `1002`},
		{"echo of bad UTF-8", Server, closePayload(1000, notUTF8), closePayload(1000, notUTF8), `1007`},
		{"echo of bad UTF-8 without the reason", Server, closePayload(1000, notUTF8), closeOf(1000), `1007`},
		{"echo of bad UTF-8 up to the bad byte", Server, closePayload(1000, "ab\xff"), closePayload(1000, "ab"), `1007`},
		{"something else that is illegal", Server, closeOf(999), closeOf(1006), `1002`},

		{"1002", Server, closeOf(999), closePayload(1002, "bad close code 999"), `1002 "bad close code 999"`},
		{"1002", Server, []byte("a"), closeOf(1002), `1002`},
		{"1002", Server, closePayload(1000, notUTF8), closePayload(1002, "invalid utf8"), `1002 "invalid utf8"`},
		{"1002 for bad UTF-8 behind 1002", Server, closePayload(1002, notUTF8), closePayload(1002, "invalid utf8"), `1002 "invalid utf8"`},
		{"1000", Server, closeOf(999), closeOf(1000), `1000`},
		{"empty for an illegal code", Server, closeOf(999), nil, "empty"},
		{"empty for bad UTF-8", Server, closePayload(1000, notUTF8), nil, "empty"},

		{"an illegal code for 1000", Server, closeOf(1000), closePayload(1006, "gone"), `1001 "gone"`},
		{"one byte for 1000", Server, closeOf(1000), []byte("a"), "empty"},
		{"bad UTF-8 for 1000", Server, closeOf(1000), closePayload(4000, "a\xff"), "4000 \"a\uFFFD\""},
		{"bad UTF-8 with the peer's 1010", Server, closeOf(1010), closePayload(1010, "a\xff"), "1010 \"a\uFFFD\""},
		{"124 bytes with the peer's 1010", Server, closeOf(1010), closePayload(1010, stars(124)), `1010 "` + stars(123) + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Record{Role: tt.role}
			h.sawClose(tt.received, 1)
			if got := left(t, h.outgoing(tt.answer)); got != tt.left {
				t.Errorf("leaves: %s, want %s", got, tt.left)
			}
			if h.Intended != nil || h.Misfit {
				t.Errorf("the answer counts as intended: %v, misfit %v", h.Intended, h.Misfit)
			}
		})
	}
}

// What leaves in each situation of a Close 1008 that the library writes, of a
// 1008 that the guard is asked for, and where the library just closes TCP
// (rules 3, 4, 5).
func TestWhatMayLeave(t *testing.T) {
	var (
		eof       = func(h *Record) { h.sawEnd(io.EOF) }
		reset     = func(h *Record) { h.sawEnd(syscall.ECONNRESET) }
		abort     = func(h *Record) { h.abort() }
		timeout   = func(h *Record) { h.TimedOut = Reason{cause.ReadTimeout, errTimeout} }
		violation = func(h *Record) { h.sawFault(&Violation{Rule: RuleRSV, Value: 4}, false) }
		peer      = func(p []byte) func(*Record) { return func(h *Record) { h.sawClose(p, 1) } }
		ours      = func(h *Record) { h.sentClose(Frame{Code: GoingAway}, 1) }
		then      = func(steps ...func(*Record)) []func(*Record) { return steps }
	)
	const (
		none    = "nothing"
		policy  = "1008"
		bare    = "1001"
		broken  = "1002"
		badUTF8 = "1007"
		normal  = "1000"
	)
	tests := []struct {
		name               string
		before             []func(*Record)
		library, own, last string
		intended           bool // the 1008 that doesn't leave is remembered
	}{
		{"nothing happened", then(), policy, policy, bare, false},
		{"a violation", then(violation), policy, policy, broken, false},
		{"a timeout", then(timeout), policy, policy, none, false},
		{"a violation and a timeout", then(violation, timeout), policy, policy, none, false},
		{"EOF", then(eof), policy, none, none, true},
		{"a reset", then(reset), policy, none, none, true}, // its Write tells
		{"a violation and EOF", then(violation, eof), policy, none, none, true},
		{"an abort", then(abort), none, none, none, true},

		{"the peer's Close", then(peer(closeOf(1000))), policy, normal, normal, false},
		{"the peer's Close with a reason", then(peer(closePayload(1000, "r"))), policy, normal + ` "r"`, normal + ` "r"`, false},
		{"the peer's empty Close", then(peer(nil)), policy, "empty", "empty", false},
		{"the peer's 1010", then(peer(closeOf(1010))), policy, "1010", "1010", false},
		{"the peer's 1014", then(peer(closeOf(1014))), policy, "1014", "1014", false},
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
			after := func() *Record {
				h := &Record{Role: Server}
				for _, step := range tt.before {
					step(h)
				}
				return h
			}
			remembered := func(leaves string) string {
				if tt.intended && leaves == none {
					return policy
				}
				return "none"
			}
			h := after()
			if got := left(t, h.outgoing(closeOf(1008))); got != tt.library {
				t.Errorf("the library's Close leaves as %s, want %s", got, tt.library)
			}
			if got, want := said(h.Intended), remembered(tt.library); got != want || h.Misfit {
				t.Errorf("the library's: intended %s, misfit %v, want %s", got, h.Misfit, want)
			}
			h = after()
			if got := left(t, h.ours(Frame{Code: 1008})); got != tt.own {
				t.Errorf("the guard's own leaves as %s, want %s", got, tt.own)
			}
			if got, want := said(h.Intended), remembered(tt.own); got != want || h.Misfit {
				t.Errorf("the guard's: intended %s, misfit %v, want %s", got, h.Misfit, want)
			}
			h = after()
			f, ok := h.bareAnswer(&Frame{Code: GoingAway})
			v := Verdict{}
			if ok {
				v = say(f)
			}
			if got := left(t, v); got != tt.last {
				t.Errorf("a bare close sends %s, want %s", got, tt.last)
			}
			if h.Intended != nil {
				t.Errorf("a bare close intended %v", h.Intended)
			}
		})
	}
}

var errTimeout = errors.New("i/o timeout")

// Nothing takes the place of the frame for a bare close, and of no other.
func TestNoBareAnswer(t *testing.T) {
	tests := []struct {
		name   string
		before func(*Record)
		want   string
	}{
		{"nothing happened", func(*Record) {}, "nothing"},
		{"a violation", func(h *Record) { h.sawFault(&Violation{Rule: RuleMask}, false) }, "1002"},
		{"the peer's Close", func(h *Record) { h.sawClose(closeOf(4000), 1) }, "4000"},
		{"the peer's illegal Close", func(h *Record) { h.sawClose(closeOf(0), 1) }, "1002"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Record
			tt.before(&h)
			got := "nothing"
			if f, ok := h.bareAnswer(nil); ok {
				got = f.String()
			}
			if got != tt.want {
				t.Errorf("sends %s, want %s", got, tt.want)
			}
		})
	}
}

// A Close that can't leave after an abort is remembered as illegal only if it is.
func TestIntendedAfterTheEnd(t *testing.T) {
	tests := []struct {
		payload  []byte
		intended string
		misfit   bool
	}{
		{closePayload(1008, "no"), `1008 "no"`, false},
		{nil, `1005`, false},
		{closeOf(1006), `1006`, true},
		{closeOf(1010), `1010`, true}, // from a server
		{[]byte("a"), `1005`, true},
	}
	for _, tt := range tests {
		t.Run(tt.intended, func(t *testing.T) {
			h := Record{Role: Server}
			h.abort()
			if got := left(t, h.outgoing(tt.payload)); got != "nothing" {
				t.Errorf("%s leaves after an abort", got)
			}
			if got := said(h.Intended); got != tt.intended || h.Misfit != tt.misfit {
				t.Errorf("intended %s, misfit %v, want %s, %v", got, h.Misfit, tt.intended, tt.misfit)
			}
		})
	}
}

func TestTheFirstIntendedCounts(t *testing.T) {
	var h Record
	h.ours(Frame{Code: 70000})
	h.intend(Frame{Code: InternalError}, true) // the fitted one couldn't be sent
	h.outgoing(closeOf(1006))
	if said(h.Intended) != "70000" || !h.Misfit {
		t.Errorf("intended %v, misfit %v", h.Intended, h.Misfit)
	}
}

// A Close that was given up too early and left after all was no intended one.
func TestIntendedLeavesAfterAll(t *testing.T) {
	tests := []struct {
		name   string
		legal  bool
		sent   Frame
		remain string
	}{
		{"itself", true, Frame{GoingAway, "bye"}, "none"},
		{"another", true, Frame{GoingAway, ""}, `1001 "bye"`},
		{"its Fit, which looks the same", false, Frame{GoingAway, "bye"}, `1001 "bye"`},
	}
	for _, tt := range tests {
		var h Record
		h.intend(Frame{GoingAway, "bye"}, tt.legal)
		h.sentClose(tt.sent, 1)
		if got := said(h.Intended); got != tt.remain {
			t.Errorf("%s left: intended %s, want %s", tt.name, got, tt.remain)
		}
	}
}

// Rule 1: what comes first gives the ending its type, whatever follows.
func TestWhoWasFirst(t *testing.T) {
	steps := []struct {
		name string
		who  Party
		do   func(*Record)
	}{
		{"their Close", Peer, func(h *Record) { h.sawClose(closeOf(1000), 1) }},
		{"their illegal Close", Peer, func(h *Record) { h.sawClose([]byte("a"), 1) }},
		{"our Close", Us, func(h *Record) { h.sentClose(Frame{Code: GoingAway}, 1) }},
		{"EOF", Transport, func(h *Record) { h.sawEnd(io.EOF) }},
		{"reset", Transport, func(h *Record) { h.sawEnd(syscall.ECONNRESET) }},
		{"abort", Transport, func(h *Record) { h.abort() }},
	}
	for _, first := range steps {
		for _, second := range steps {
			t.Run(first.name+", "+second.name, func(t *testing.T) {
				var h Record
				if !h.Open() {
					t.Fatal("a new handshake isn't open")
				}
				for _, step := range append([]struct {
					name string
					who  Party
					do   func(*Record)
				}{first, second}, steps...) {
					step.do(&h)
					if h.First != first.who || h.Open() {
						t.Errorf("after %s the first is %d, want %d", step.name, h.First, first.who)
					}
				}
			})
		}
	}
}

// None of these ends a connection.
func TestWhatLeavesAConnectionOpen(t *testing.T) {
	h := Record{Role: Server}
	h.sawFault(&Violation{Rule: RuleOpcode, Value: 3}, false)
	h.TimedOut = Reason{cause.ReadTimeout, errTimeout}
	h.outgoing(closeOf(1000))
	h.ours(Frame{Code: GoingAway})
	h.bareAnswer(&Frame{Code: GoingAway})
	if !h.Open() || h.Complete() || h.Began != 0 {
		t.Errorf("nothing has left and nothing has ended, and yet: %+v", h)
	}
}

func TestOnlyTheFirstOfEachCounts(t *testing.T) {
	var h Record
	buf := closePayload(1006, "first")
	h.sawClose(buf, 3)
	clear(buf) // it belongs to somebody else
	h.sawClose(closePayload(1000, "second"), 4)
	h.sentClose(Frame{ProtocolError, "first"}, 5)
	h.sentClose(Frame{1000, "second"}, 6)
	h.sawEnd(io.EOF)
	h.sawEnd(syscall.ECONNRESET)
	h.sawFault(&Violation{Rule: RuleRSV}, false)
	h.sawFault(&Violation{Rule: RuleMask}, false)

	if got := said(h.Received); got != `1006 "first"` || h.Illegal == nil || h.Illegal.Value != 1006 {
		t.Errorf("received %s, %v", got, h.Illegal)
	}
	if string(h.Illegal.Payload) != string(closePayload(1006, "first")) {
		t.Errorf("its payload is kept as %q", h.Illegal.Payload)
	}
	if got := said(h.Sent); got != `1002 "first"` {
		t.Errorf("sent %s", got)
	}
	if !errors.Is(h.Down, io.EOF) {
		t.Errorf("the end was %v", h.Down)
	}
	if h.Fault.Rule != RuleRSV {
		t.Errorf("the fault was %v", h.Fault)
	}
	if h.First != Peer || h.Began != 3 || !h.Complete() {
		t.Errorf("first %d, began %d, complete %v", h.First, h.Began, h.Complete())
	}
}

func TestLegalCloseAfterAnIllegalOneChangesNothing(t *testing.T) {
	for _, first := range [][]byte{closeOf(1000), closeOf(999)} {
		var h Record
		h.sawClose(first, 1)
		was := h
		h.sawClose(closeOf(4000), 2)
		h.sawClose([]byte("a"), 3)
		if h.Received != was.Received || h.Illegal != was.Illegal || h.Began != was.Began {
			t.Errorf("after %q: was %+v, became %+v", first, was, h)
		}
	}
}

// The handshake begins with the first Close; an end without one has none.
func TestWhenTheHandshakeBegan(t *testing.T) {
	tests := []struct {
		name string
		do   func(*Record)
		want time.Duration
	}{
		{"their Close", func(h *Record) { h.sawClose(nil, 7); h.sentClose(Frame{}, 8) }, 7},
		{"our Close", func(h *Record) { h.sentClose(Frame{}, 7); h.sawClose(nil, 8) }, 7},
		{"EOF", func(h *Record) { h.sawEnd(io.EOF) }, 0},
		{"abort", func(h *Record) { h.abort() }, 0},
		{"their Close, then an abort", func(h *Record) { h.sawClose(nil, 7); h.abort() }, 7},
	}
	for _, tt := range tests {
		var h Record
		if tt.do(&h); h.Began != tt.want {
			t.Errorf("%s: began at %d, want %d", tt.name, h.Began, tt.want)
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
