package closing

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// life is a connection's life told by bytes, and the plain record that the
// handshake is held against: what went over the wire and how TCP ended, in one
// order. Everything that must be true follows from the record.
type life struct {
	*testing.T
	script []byte
	now    time.Duration

	h      Record
	record []happening
	held   *Verdict // the guard's own Close, not yet out
	intent *Frame
}

type happening struct {
	what    Party // Peer, Us: a Close; Transport: the end
	payload []byte
	aborted bool
	at      time.Duration
}

// find is the first happening of a kind.
func (l *life) find(what Party) *happening {
	i := slices.IndexFunc(l.record, func(h happening) bool { return h.what == what })
	if i < 0 {
		return nil
	}
	return &l.record[i]
}

func (l *life) aborted() bool {
	return slices.ContainsFunc(l.record, func(h happening) bool { return h.aborted })
}

func (l *life) next() byte {
	if len(l.script) == 0 {
		return 0
	}
	b := l.script[0]
	l.script = l.script[1:]
	return b
}

// payloads are the Closes that lives are made of, beside what the script spells.
var payloads = [][]byte{
	nil,
	[]byte("a"),
	closePayload(0, ""),
	closePayload(999, "old"),
	closePayload(1000, ""),
	closePayload(1000, "bye"),
	closePayload(1000, notUTF8),
	closePayload(1001, "going"),
	closePayload(1002, gorillas1014),
	closePayload(1002, "invalid utf8"),
	closePayload(1005, ""),
	closePayload(1006, "gone"),
	closePayload(1010, "deflate"),
	closePayload(1010, "\xff"),
	closePayload(1014, ""),
	closePayload(1014, "\xff"),
	closePayload(4000, stars(123)),
	closePayload(4000, stars(124)),
	closePayload(65535, ""),
}

func (l *life) payload() []byte {
	b := l.next()
	if b < 128 {
		return payloads[int(b)%len(payloads)]
	}
	n := min(int(b-128), len(l.script))
	p := l.script[:n]
	l.script = l.script[n:]
	return p
}

// checkLife lives a connection's life as the script tells and checks after
// each step what must hold.
func checkLife(t *testing.T, role Role, script []byte) {
	l := &life{T: t, script: script}
	l.h.Role = role
	for len(l.script) > 0 {
		l.now++
		before := l.h
		l.step()
		l.check(before)
	}
}

func (l *life) step() {
	h := &l.h
	switch op := l.next() % 12; op {
	case 0, 1:
		p := l.payload()
		if len(p) > wire.MaxControl {
			return // the scanner takes it for no Close
		}
		h.sawClose(p, l.now)
		l.record = append(l.record, happening{what: Peer, payload: p, at: l.now})
	case 2:
		l.end(io.EOF)
	case 3:
		h.abort()
		l.record = append(l.record, happening{what: Transport, aborted: true})
	case 4:
		h.sawFault(&Violation{Rule: RuleRSV, Value: int64(l.next())}, false)
	case 5:
		h.TimedOut = Reason{}
		if l.next()%2 == 0 {
			h.TimedOut = Reason{cause.ReadTimeout, errTimeout}
		}
	case 6:
		if l.held != nil { // now it reaches the wire
			l.leave(*l.held)
			l.held = nil
		}
	default:
		if l.held == nil { // one at a time writes
			l.decide(op)
		}
	}
}

func (l *life) end(err error) {
	l.h.sawEnd(err)
	l.record = append(l.record, happening{what: Transport})
}

// leave writes a Close, which succeeds as long as there is a connection.
func (l *life) leave(v Verdict) {
	if l.aborted() || l.next()%8 == 7 {
		l.end(syscall.EPIPE)
		l.h.intend(v.Frame, true)
		l.intent = l.h.Intended
		return
	}
	if l.intent != nil && !l.h.Misfit && *l.intent == v.Frame {
		l.intent = nil // it could be sent after all
	}
	l.h.sentClose(v.Frame, l.now)
	l.record = append(l.record, happening{what: Us, payload: v.Payload, at: l.now})
}

// decide asks what leaves, and checks the answer.
func (l *life) decide(op byte) {
	h := &l.h
	theirs, gone, out := l.find(Peer), l.find(Transport) != nil, l.find(Us) != nil
	var (
		v       Verdict
		must    bool // something leaves
		written []byte
		frame   Frame
		begun   bool // we begin a Close, legal or not
		legal   bool
	)
	switch {
	case op < 10: // the library writes one
		written = l.payload()
		var err *Violation
		frame, err = Parse(written)
		begun, legal = true, err == nil && frame.Check(h.Role) == nil
		must = !out && !l.aborted()
		v = h.outgoing(written)
		if kept := theirs == nil || h.Illegal == nil && h.Received.Code != BadGateway; must && legal && kept && !bytes.Equal(v.Payload, written) {
			l.Errorf("a legal Close %q leaves as %q", written, v.Payload)
		}
	case op == 10: // the guard is asked for one
		frame = Frame{int(l.next())*20 - 40, string(l.payload())}
		begun, legal = true, frame.Check(h.Role) == nil
		must = !out && !gone
		v = h.ours(frame)
		if must && theirs == nil && v.Frame != frame.Fit(h.Role) {
			l.Errorf("asked for %v, %v leaves", frame, v.Frame)
		}
	default: // the library just closes
		bare := &Frame{Code: GoingAway}
		if l.next()%2 == 0 {
			bare = nil
		}
		must = !out && !gone && (theirs != nil || h.TimedOut.Err == nil && (h.Fault != nil || bare != nil))
		if f, ok := h.bareAnswer(bare); ok {
			v = say(f)
		}
	}
	if v.Send != must {
		l.Errorf("operation %d: sends %v, want %v, after %+v", op, v.Send, must, l.record)
	}
	if begun && theirs == nil && !out && (!must || !legal) && l.intent == nil {
		l.intent = h.Intended
		if l.intent == nil || *l.intent != frame || h.Misfit == legal {
			l.Errorf("wanted to send %v, legal: %v; remembered is %v, misfit %v", frame, legal, l.intent, h.Misfit)
		}
	}
	if !v.Send {
		return
	}
	if op >= 10 && theirs != nil {
		want := theirs.payload
		if h.Illegal != nil {
			want = closePayload(uint16(h.Illegal.Code()), "")
		}
		if !bytes.Equal(v.Payload, want) {
			l.Errorf("the guard answers %q with %q, want %q", theirs.payload, v.Payload, want)
		}
	}
	l.checkLegal(v)
	if op >= 10 && l.next()%4 == 0 {
		l.held = &v // the wire is inside a frame
		return
	}
	l.leave(v)
}

// checkLegal: what leaves is legal for us, or repeats a code that was legal
// for the peer.
func (l *life) checkLegal(v Verdict) {
	f, err := Parse(v.Payload)
	if err != nil || f != v.Frame {
		l.Errorf("%v leaves as %q, which reads as %v, %v", v.Frame, v.Payload, f, err)
	}
	repeats := l.h.Received != nil && f.Code == l.h.Received.Code
	if err := f.Check(l.h.Role); err != nil && !repeats {
		l.Errorf("%v leaves: %v", f, err)
	}
}

// check holds the handshake against the record.
func (l *life) check(before Record) {
	h := &l.h
	first, began := Nobody, time.Duration(0)
	if len(l.record) > 0 {
		first = l.record[0].what
	}
	sent := 0
	for _, r := range l.record {
		if r.at > 0 && began == 0 {
			began = r.at
		}
		if r.what == Us {
			sent++
		}
	}
	if sent > 1 {
		l.Errorf("%d Closes left: %+v", sent, l.record)
	}
	if h.First != first || h.Began != began {
		l.Errorf("first %d at %d, want %d at %d", h.First, h.Began, first, began)
	}
	if before.Received != nil && (h.Received != before.Received || h.Illegal != before.Illegal) {
		l.Errorf("received changed from %v to %v", before.Received, h.Received)
	}
	if before.Sent != nil && h.Sent != before.Sent {
		l.Errorf("sent changed from %v to %v", before.Sent, h.Sent)
	}
	if h.Intended != l.intent || before.Intended != nil && h.Misfit != before.Misfit {
		l.Errorf("intended %v, misfit %v, want %v, %v", h.Intended, h.Misfit, l.intent, before.Misfit)
	}
	l.checkFrame("received", h.Received, l.find(Peer))
	l.checkFrame("sent", h.Sent, l.find(Us))
	if h.Complete() != (l.find(Peer) != nil && sent == 1) || h.Open() != (len(l.record) == 0) {
		l.Errorf("complete %v, open %v after %+v", h.Complete(), h.Open(), l.record)
	}
}

func (l *life) checkFrame(what string, got *Frame, was *happening) {
	if got == nil && was == nil {
		return
	}
	if got == nil || was == nil {
		l.Errorf("%s %v, the record has %+v", what, got, was)
		return
	}
	if want, _ := Parse(was.payload); *got != want {
		l.Errorf("%s %v, want %v", what, got, want)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(uint8(Server), []byte{})
	f.Add(uint8(Server), []byte{0, 5, 7, 5, 0})                      // their Close, the library's echo
	f.Add(uint8(Server), []byte{7, 4, 0, 0, 4})                      // our Close, their answer
	f.Add(uint8(Client), []byte{7, 12, 0, 0, 12, 2})                 // 1010 either way
	f.Add(uint8(Server), []byte{0, 12, 7, 12, 0})                    // a server echoes 1010
	f.Add(uint8(Server), []byte{0, 14, 7, 8, 0})                     // gorilla and 1014
	f.Add(uint8(Server), []byte{0, 1, 7, 0, 0})                      // one byte, answered with nothing
	f.Add(uint8(Server), []byte{2, 7, 4, 0})                         // a Close after EOF
	f.Add(uint8(Server), []byte{0, 4, 2, 7, 4, 0})                   // an answer after EOF
	f.Add(uint8(Server), []byte{7, 11, 0, 7, 4, 0})                  // an illegal Close, then a second one
	f.Add(uint8(Server), []byte{4, 4, 11, 1, 1})                     // a violation, a bare close
	f.Add(uint8(Server), []byte{5, 0, 11, 1})                        // a timeout, a bare close
	f.Add(uint8(Server), []byte{10, 52, 0, 0, 0, 6, 0, 2})           // our Close waits, theirs comes first
	f.Add(uint8(Server), []byte{2, 32, 0, 0, 0, '7', '7', '7', '7'}) // a Close after EOF, then theirs
	f.Add(uint8(Client), []byte{10, 255, 133, 1, 2, 3, 4, 5, 3})     // an impossible one, an abort
	f.Add(uint8(Client), []byte{0, 130, 0x0f, 0xa0, 3, 7, 4, 11})    // spelled out, aborted
	f.Fuzz(func(t *testing.T, role uint8, script []byte) {
		checkLife(t, Role(role%2), script)
	})
}
