package model

import (
	"fmt"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// truth is what the wire says of a connection, by rawpeer's parser.
type truth struct {
	first    string // what came first: peer, local or dropped
	doubtful bool   // two things happened at the same moment
	sent     *closing
	received *closing
	late     bool // received came at the moment in which the guard ended TCP
	cutByUs  bool // TCP was ended by the guard, before it had failed

	frames []rawpeer.Frame // ours
	cut    []byte          // the beginning of one more
}

// closing is a Close on the wire.
type closing struct {
	code   int
	reason string
	legal  bool // one that may be sent from either side
	utf8   bool
	act    int // by which it was whole
	from   int // how many acts there were before it began to leave
}

func readClosing(f rawpeer.Frame, act int) *closing {
	c := &closing{code: f.CloseCode(), reason: f.CloseReason(), act: act}
	c.utf8 = utf8.ValidString(c.reason)
	switch c.code {
	case -1: // half a code
		c.code = 1005
	case 1005:
		c.legal = len(f.Payload) == 0
	default:
		c.legal = mayBeSent(c.code) && c.utf8
	}
	return c
}

// mayBeSent: RFC 6455 section 7.4 and IANA's registry, for one side or both.
func mayBeSent(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// wellFramed reports whether the peer's Close is one by its header.
func wellFramed(f rawpeer.Frame, masked bool) bool {
	return f.Opcode == rawpeer.OpClose && f.Fin && f.RSV == 0 && f.Masked == masked && len(f.Payload) <= 125
}

func (c *closing) String() string {
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("%d %q", c.code, c.reason)
}

// is reports whether the guard tells the same of a Close. What is not UTF-8 is
// told repaired.
func (c *closing) is(f *closeguard.CloseFrame) bool {
	if c == nil || f == nil {
		return c == nil && f == nil
	}
	return c.code == int(f.Code) && (c.reason == f.Reason || !c.utf8)
}

// read finds out what happened from what the transport was given.
func read(acts []act, role closeguard.Role) truth {
	var t truth
	var in, out []byte
	end, from := -1, 0 // from: of the Write that began the frame
	for i, a := range acts {
		switch a.what {
		case reads:
			in = append(in, a.b...)
			for t.received == nil {
				f, n := rawpeer.Parse(in)
				if n == 0 {
					break
				}
				in = in[n:]
				if wellFramed(f, role == closeguard.Server) {
					t.received = readClosing(f, i)
				}
			}
		case writes:
			if len(out) == 0 {
				from = a.from
			}
			out = append(out, a.b...)
			for {
				f, n := rawpeer.Parse(out)
				if n == 0 {
					break
				}
				t.frames, out = append(t.frames, f), out[n:]
				if f.Opcode == rawpeer.OpClose && t.sent == nil {
					t.sent = readClosing(f, i)
					t.sent.from = from
				}
				from = a.from
			}
		}
		if end < 0 && a.ended() {
			end = i
		}
	}
	t.cut = out
	for _, a := range acts {
		t.late = t.late || t.received != nil && a.what == closes && a.at == acts[t.received.act].at
	}
	if end >= 0 {
		t.cutByUs = acts[end].what == closes || acts[end].what == endsStream
		t.decide(acts, end)
	}
	return t
}

// decide says what came first. What two goroutines do in one step may be seen in
// either order; and a Close that is read while ours is with the transport may be
// an answer to it.
func (t *truth) decide(acts []act, end int) {
	t.first = "dropped"
	at := end
	look := func(who string, c *closing) {
		if c == nil {
			return
		}
		first, last := acts[min(at, c.act)], acts[max(at, c.act)]
		leaves := t.sent != nil && t.sent.act == max(at, c.act) && t.sent.from <= min(at, c.act)
		if first.at == last.at && first.step == last.step || leaves {
			t.doubtful = true
		}
		if c.act < at {
			t.first, at = who, c.act
		}
	}
	look("local", t.sent)
	look("peer", t.received)
}
