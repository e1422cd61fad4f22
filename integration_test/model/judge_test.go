package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// judge holds what the guard did and told against the wire. Nothing in it
// depends on what the script was, but for whether something aborted.
func (l *life) judge() {
	acts := l.tap.all()
	t := read(acts, l.role)
	l.judgeFrames(t)
	l.judgeData(t, acts)
	if ev := l.event(); ev != nil {
		l.judgeEvent(ev, t)
		l.judgeTimes(ev, acts)
	}
	for _, r := range l.reports {
		if r.Total() > 1 || r.Answered+r.PeerFirst+r.Unanswered+r.Unsent+r.Dropped+r.Aborted != r.Total() {
			l.fails("10: a report of one connection says %v", r)
		}
	}
}

// event is the connection's only close event, behind its only Opened (rule 10).
func (l *life) event() closeguard.CloseEvent {
	all := l.events.Of(1)
	if len(all) == 2 {
		_, opened := all[0].(*closeguard.Opened)
		if ev, ok := all[1].(closeguard.CloseEvent); ok && opened {
			return ev
		}
	}
	l.fails("10: events %v, want one Opened and one close event", all)
	return nil
}

// judgeFrames: at most one Close leaves, a legal one, and nothing behind it
// (rules 2 and 3); every frame is masked as the role wants it.
func (l *life) judgeFrames(t truth) {
	for i, f := range t.frames {
		if f.Masked != (l.role == closeguard.Client) || f.RSV != 0 || f.Padded {
			l.fails("2: frame %v left", f)
		}
		if f.Opcode != rawpeer.OpClose {
			continue
		}
		if i < len(t.frames)-1 || len(t.cut) > 0 {
			l.fails("3: behind our close came %v and % x", t.frames[i+1:], t.cut)
		}
		echo := t.received != nil && t.received.legal && t.received.code == t.sent.code
		if !t.sent.legal || t.sent.code == 1010 && l.role == closeguard.Server && !echo {
			l.fails("2: %v left", f)
		}
	}
}

// judgeData: but for Closes and the guard's pings, which are empty, what leaves
// is what the library wrote, and what the library reads is what came (rule 11).
func (l *life) judgeData(t truth, acts []act) {
	var in, out []byte
	for _, a := range acts {
		switch a.what {
		case reads:
			in = append(in, a.b...)
		case writes:
			out = append(out, a.b...)
		}
	}
	if !bytes.HasPrefix(in, l.got) {
		l.fails("11: the library read %s, which is not what came: %s", short(l.got), short(in))
	}
	if ours, theirs := data(out), data(l.library.stream); !bytes.HasPrefix(theirs, ours) && !bytes.HasPrefix(ours, beforeClose(l.library.stream)) {
		l.fails("11: %s left, the library wrote %s", short(ours), short(theirs))
	}
	if !bytes.HasPrefix(out, l.saw) {
		l.fails("1: the peer read %s, %s was written", short(l.saw), short(out))
	}
}

// data is a stream without its Closes and empty pings.
func data(stream []byte) []byte {
	var kept []byte
	for len(stream) > 0 {
		f, n := rawpeer.Parse(stream)
		if n == 0 && (stream[0] == 0x88 || stream[0] == 0x89) {
			break
		}
		if n == 0 {
			n = len(stream)
		} else if f.Opcode == rawpeer.OpClose || f.Opcode == rawpeer.OpPing && len(f.Payload) == 0 {
			stream = stream[n:]
			continue
		}
		kept = append(kept, stream[:n]...)
		stream = stream[n:]
	}
	return kept
}

// beforeClose is the data in front of the first Close: what a library writes
// behind one that it was too late for is its own affair.
func beforeClose(stream []byte) []byte {
	for at := 0; at < len(stream); {
		f, n := rawpeer.Parse(stream[at:])
		if n == 0 || f.Opcode == rawpeer.OpClose {
			return data(stream[:at])
		}
		at += n
	}
	return data(stream)
}

// judgeEvent: the event equals the wire (rule 1).
func (l *life) judgeEvent(ev closeguard.CloseEvent, t truth) {
	e := ev.End()
	if e.Received == nil && t.late && (errors.Is(e.Err, closeguard.ErrCloseIdle) || errors.Is(e.Err, closeguard.ErrCloseTimeout) || errors.Is(e.Err, closeguard.ErrAborted)) {
		t.received, t.doubtful = nil, true // it came at the very moment of the limit, or of Abort
	}
	first := kind(ev)
	if first != t.first && !t.doubtful {
		l.fails("1: it is told as %s closed, on the wire the first was %s: %v", first, t.first, ev)
	}
	if !t.sent.is(e.Sent) {
		l.fails("1: sent is told as %v, on the wire it was %v", e.Sent, t.sent)
	}
	if !t.received.is(e.Received) && !t.doubtful {
		l.fails("1: received is told as %v, on the wire it was %v", e.Received, t.received)
	}
	both := t.sent != nil && t.received != nil
	if e.Answered() != both && !t.doubtful { // which Close was received may be in doubt, as above
		l.fails("1: answered is %t, sent %v, received %v", e.Answered(), t.sent, t.received)
	}
	if clean := both && t.received.legal; ev.Clean() && !clean || clean && !ev.Clean() && !l.rough && !t.doubtful {
		l.fails("1: clean is %t, sent %v, received %v", ev.Clean(), t.sent, t.received)
	}
	if code := code(first, t); int(ev.Code()) != code && !t.doubtful {
		l.fails("1: the code is %d, want %d", ev.Code(), code)
	}
	if closed := errors.Is(ev, net.ErrClosed); closed && first == "peer" || !closed && first == "local" ||
		first == "dropped" && !l.rough && (t.cutByUs && !closed || closed && !t.cutByUs && !l.unsent(e)) {
		l.fails("1: net.ErrClosed is %t in %v", closed, ev)
	}
	if first == "dropped" && e.Err == nil {
		l.fails("1: dropped without a cause")
	}
}

// unsent: the guard cut the connection itself because its Close couldn't leave,
// or wasn't to. Of one that would have been an answer only the error tells.
func (l *life) unsent(e closeguard.Ending) bool {
	return e.Intended != nil || e.Err != nil && strings.Contains(e.Err.Error(), "inside a frame that can't be finished") ||
		l.opts.BareClose == closeguard.NoClose || l.opts.BareClose == 0 || errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, os.ErrDeadlineExceeded)
}

func kind(ev closeguard.CloseEvent) string {
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return "peer"
	case *closeguard.LocalClosed:
		return "local"
	default:
		return "dropped"
	}
}

// code is the connection's close code.
func code(first string, t truth) int {
	switch {
	case first == "peer" && t.received != nil && t.received.legal:
		return t.received.code
	case first == "peer" && t.received != nil && !t.received.utf8 && mayBeSent(t.received.code):
		return 1007
	case first == "peer":
		return 1002
	case first == "local" && t.sent != nil:
		return t.sent.code
	default:
		return 1006
	}
}

// judgeTimes: the event's times are the wire's.
func (l *life) judgeTimes(ev closeguard.CloseEvent, acts []act) {
	e := ev.End()
	if e.Duration < 0 || e.Idle < 0 || e.Handshake < 0 || e.Handshake > e.Duration || e.Idle > e.Duration {
		l.fails("1: duration %v, idle %v, handshake %v", e.Duration, e.Idle, e.Handshake)
	}
	for i, a := range acts {
		if a.what != closes {
			continue
		}
		if a.at != e.Duration {
			l.fails("1: the duration is %v, TCP was closed after %v", e.Duration, a.at)
		}
		idle, last := a.at, a.at // without and with what came at the very end
		for j, r := range acts {
			if r.what == reads && len(r.b) > 0 && (j < i || r.at == a.at) { // a Read may return behind the Close that found it
				if r.at < a.at {
					idle = a.at - r.at
				}
				last = a.at - r.at
			}
		}
		if e.Idle != idle && e.Idle != last {
			l.fails("1: idle is %v, nothing came for %v", e.Idle, last)
		}
		return
	}
	l.fails("7: TCP wasn't closed")
}

// short is b for people: its first frames, and how it goes on.
func short(b []byte) string {
	var s strings.Builder
	for range 8 {
		f, n := rawpeer.Parse(b)
		if n == 0 {
			break
		}
		s.WriteString(f.String() + " ")
		b = b[n:]
	}
	if len(b) > 32 {
		fmt.Fprintf(&s, "% x... (%d bytes)", b[:32], len(b))
	} else {
		fmt.Fprintf(&s, "% x", b)
	}
	return s.String()
}
