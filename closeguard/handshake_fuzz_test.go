package closeguard

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"
)

// life is a connection's life told by bytes, and the plain record that the
// handshake is held against: what went over the wire and how TCP ended, in one
// order. Everything that must be true follows from the record.
type life struct {
	*testing.T
	script []byte
	now    time.Duration

	h      handshake
	record []happening
	held   *verdict // the guard's own Close, not yet out
	intent *CloseFrame
}

type happening struct {
	what    party // byPeer, byUs: a Close; byTransport: the end
	payload []byte
	aborted bool
	at      time.Duration
}

// find is the first happening of a kind.
func (l *life) find(what party) *happening {
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
	l.h.role = role
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
		if len(p) > maxControlPayload {
			return // the scanner takes it for no Close
		}
		h.sawClose(p, l.now)
		l.record = append(l.record, happening{what: byPeer, payload: p, at: l.now})
	case 2:
		l.end(io.EOF)
	case 3:
		h.abort()
		l.record = append(l.record, happening{what: byTransport, aborted: true})
	case 4:
		h.sawFault(&FrameError{Rule: RuleRSV, Value: int64(l.next())})
	case 5:
		h.timedOut = nil
		if l.next()%2 == 0 {
			h.timedOut = errTimeout
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
	l.record = append(l.record, happening{what: byTransport})
}

// leave writes a Close, which succeeds as long as there is a connection.
func (l *life) leave(v verdict) {
	if l.aborted() || l.next()%8 == 7 {
		l.end(syscall.EPIPE)
		l.h.intend(v.frame, true)
		l.intent = l.h.intended
		return
	}
	if l.intent != nil && !l.h.misfit && *l.intent == v.frame {
		l.intent = nil // it could be sent after all
	}
	l.h.sentClose(v.frame, l.now)
	l.record = append(l.record, happening{what: byUs, payload: v.as, at: l.now})
}

// decide asks what leaves, and checks the answer.
func (l *life) decide(op byte) {
	h := &l.h
	theirs, gone, out := l.find(byPeer), l.find(byTransport) != nil, l.find(byUs) != nil
	var (
		v       verdict
		must    bool // something leaves
		written []byte
		frame   CloseFrame
		begun   bool // we begin a Close, legal or not
		legal   bool
	)
	switch {
	case op < 10: // the library writes one
		written = l.payload()
		var err error
		frame, err = ParseCloseFrame(written)
		begun, legal = true, err == nil && frame.Validate(h.role) == nil
		must = !out && !l.aborted() && (theirs != nil || !gone)
		v = h.outgoing(written)
		if kept := theirs == nil || h.illegal == nil && h.received.Code != BadGateway; must && legal && kept && !bytes.Equal(v.as, written) {
			l.Errorf("a legal Close %q leaves as %q", written, v.as)
		}
	case op == 10: // the guard is asked for one
		frame = CloseFrame{Code(l.next())*20 - 40, string(l.payload())}
		begun, legal = true, frame.Validate(h.role) == nil
		must = !out && !gone
		v = h.own(frame)
		if must && theirs == nil && v.frame != frame.Fit(h.role) {
			l.Errorf("asked for %v, %v leaves", frame, v.frame)
		}
	default: // the library just closes
		bare := CloseFrame{Code: GoingAway}
		if l.next()%2 == 0 {
			bare.Code = NoClose
		}
		must = !out && !gone && (theirs != nil || h.timedOut == nil && (h.fault != nil || bare.Code != NoClose))
		if f, ok := h.last(bare); ok {
			v = h.say(f)
		}
	}
	if v.send != must {
		l.Errorf("operation %d: sends %v, want %v, after %+v", op, v.send, must, l.record)
	}
	if begun && theirs == nil && !out && (!must || !legal) && l.intent == nil {
		l.intent = h.intended
		if l.intent == nil || *l.intent != frame || h.misfit == legal {
			l.Errorf("wanted to send %v, legal: %v; remembered is %v, misfit %v", frame, legal, l.intent, h.misfit)
		}
	}
	if !v.send {
		return
	}
	if op >= 10 && theirs != nil {
		want := theirs.payload
		if h.illegal != nil {
			want = closePayload(uint16(h.illegal.Code()), "")
		}
		if !bytes.Equal(v.as, want) {
			l.Errorf("the guard answers %q with %q, want %q", theirs.payload, v.as, want)
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
func (l *life) checkLegal(v verdict) {
	f, err := ParseCloseFrame(v.as)
	if err != nil || f != v.frame {
		l.Errorf("%v leaves as %q, which reads as %v, %v", v.frame, v.as, f, err)
	}
	repeats := l.h.received != nil && f.Code == l.h.received.Code
	if err := f.Validate(l.h.role); err != nil && !repeats {
		l.Errorf("%v leaves: %v", f, err)
	}
}

// check holds the handshake against the record.
func (l *life) check(before handshake) {
	h := &l.h
	first, began := nobody, time.Duration(0)
	if len(l.record) > 0 {
		first = l.record[0].what
	}
	sent := 0
	for _, r := range l.record {
		if r.at > 0 && began == 0 {
			began = r.at
		}
		if r.what == byUs {
			sent++
		}
	}
	if sent > 1 {
		l.Errorf("%d Closes left: %+v", sent, l.record)
	}
	if h.first != first || h.began != began {
		l.Errorf("first %d at %d, want %d at %d", h.first, h.began, first, began)
	}
	if before.received != nil && (h.received != before.received || h.illegal != before.illegal) {
		l.Errorf("received changed from %v to %v", before.received, h.received)
	}
	if before.sent != nil && h.sent != before.sent {
		l.Errorf("sent changed from %v to %v", before.sent, h.sent)
	}
	if h.intended != l.intent || before.intended != nil && h.misfit != before.misfit {
		l.Errorf("intended %v, misfit %v, want %v, %v", h.intended, h.misfit, l.intent, before.misfit)
	}
	l.checkFrame("received", h.received, l.find(byPeer))
	l.checkFrame("sent", h.sent, l.find(byUs))
	if h.complete() != (l.find(byPeer) != nil && sent == 1) || h.open() != (len(l.record) == 0) {
		l.Errorf("complete %v, open %v after %+v", h.complete(), h.open(), l.record)
	}
}

func (l *life) checkFrame(what string, got *CloseFrame, was *happening) {
	if got == nil && was == nil {
		return
	}
	if got == nil || was == nil {
		l.Errorf("%s %v, the record has %+v", what, got, was)
		return
	}
	if want, _ := ParseCloseFrame(was.payload); *got != want {
		l.Errorf("%s %v, want %v", what, got, want)
	}
}

func FuzzHandshake(f *testing.F) {
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
