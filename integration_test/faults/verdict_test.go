package faults

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// Two things that happen on different sides of a connection at nearly the same
// time have no order: what the kernel said first may be looked at last. Time in
// which the process didn't run doesn't count.
const crossing = 300 * time.Millisecond

// before reports whether a came before b for certain.
func before(a, b time.Time) bool { return b.Sub(a)-stalls.between(a, b) > crossing }

// Who begins to close is in the code: the server's are below, the peers' from
// this on. An answer repeats it.
const peersCodes = 4000

// misfits compares an event with the record of its connection.
func misfits(ev closeguard.CloseEvent, r *record) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	end := ev.End()
	if r.closed.IsZero() {
		complain("told before TCP was closed")
	}
	if r.out.after > 0 {
		complain("%d bytes left behind our Close", r.out.after)
	}
	if got, want := frameText(end.Sent), closeText(r.out.close); got != want {
		complain("sent %s, on the wire %s", got, want)
	}
	if got, want := frameText(end.Received), closeText(r.in.close); got != want && (got != "none" || !r.cutOff(ev)) {
		complain("received %s, on the wire %s", got, want)
	}
	if end.Intended != nil && end.Sent != nil {
		complain("intended %v beside %v, and every code of ours is legal", end.Intended, end.Sent)
	}
	if got := kindOf(ev); !r.mayBe(got) {
		complain("it is %s", got)
	}
	got, must, may := told(ev), []string(nil), r.may()
	if i := slices.Index(got, cutOff); i >= 0 {
		got[i] = "FIN"
	}
	if _, ok := ev.(*closeguard.Dropped); ok {
		must = r.must(ev)
		if len(got) == 0 && !ours(ev) {
			complain("dropped for no reason")
		}
	}
	if !contains(got, must) || !contains(may, got) {
		complain("because of %q, on the wire first %q, in all %q (%v)", got, must, may, ev)
	}
	both := r.out.close != nil && r.in.close != nil
	if ev.Clean() != both && (!both || !errors.Is(ev, closeguard.ErrAborted) && !r.cutOff(ev)) {
		complain("clean: %t, with %s and %s on the wire", ev.Clean(), closeText(r.out.close), closeText(r.in.close))
	}
	if len(all) > 0 {
		complain("on the wire: %s; the process stood still %v of it", r.order(), stalls.between(r.began, r.closed))
	}
	return all
}

// ours reports whether the guard ended TCP, on behalf of the program or at a limit.
func ours(ev closeguard.CloseEvent) bool {
	return slices.ContainsFunc([]error{
		closeguard.ErrAborted, closeguard.ErrCloseIdle, closeguard.ErrCloseTimeout, closeguard.ErrCloseBytes, closeguard.ErrEvicted,
	}, func(cause error) bool { return errors.Is(ev, cause) })
}

// cutOff reports whether the guard may have ended the connection, for reasons of
// its own or because writing failed, while the last bytes were on their way to it.
func (r *record) cutOff(ev closeguard.CloseEvent) bool {
	return (ours(ev) || r.out.err != nil) && r.in.close != nil && !before(r.in.at, r.closed)
}

// mayBe reports whether the record allows an event of that kind.
func (r *record) mayBe(kind string) bool {
	in, out := r.in.close != nil, r.out.close != nil
	over := r.over()
	switch kind {
	case "peer closed":
		if !in || before(over, r.in.at) {
			return false
		}
		return !out || r.out.close.CloseCode() >= peersCodes ||
			r.in.close.CloseCode() >= peersCodes && !before(r.out.at, r.in.began)
	case "local closed":
		if !out || before(over, r.out.began) {
			return false
		}
		return !in || r.in.close.CloseCode() < peersCodes ||
			r.out.close.CloseCode() < peersCodes && !before(r.in.at, r.out.began)
	default:
		return (!in || !before(r.in.at, over)) && (!out || !before(r.out.at, over))
	}
}

// over is when TCP ended, as far as the server's side can know.
func (r *record) over() time.Time {
	over := r.closed
	for _, s := range []*stream{&r.in, &r.out} {
		if s.err != nil && s.ended.Before(over) {
			over = s.ended
		}
	}
	return over
}

// may is how TCP ended without us, in all that the server's side was told of it:
// the kernel tells a failure once, and whoever asks again is told of a broken
// pipe or reads the end of the stream. must is what of it came first for certain.
func (r *record) may() []string { return slices.Concat(r.in.said, r.out.said) }

func (r *record) must(ev closeguard.CloseEvent) []string {
	first, other := &r.in, &r.out
	if first.err == nil || other.err != nil && other.ended.Before(first.ended) {
		first, other = other, first
	}
	if first.err == nil || ours(ev) && !before(first.ended, r.closed) || other.err != nil && !before(first.ended, other.ended) {
		return nil
	}
	return causes(first.err)
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

func (r *record) order() string {
	var steps []string
	at := func(t time.Time) string { return t.Sub(r.closed).Round(time.Millisecond).String() }
	if r.in.close != nil {
		steps = append(steps, at(r.in.at)+" received "+closeText(r.in.close))
	}
	if r.out.close != nil {
		steps = append(steps, at(r.out.began)+" sent "+closeText(r.out.close))
	}
	for name, s := range map[string]*stream{"read": &r.in, "wrote": &r.out} {
		if s.err != nil {
			steps = append(steps, at(s.ended)+" "+name+" "+s.err.Error())
		}
	}
	return strings.Join(append(steps, "closed"), ", ")
}

// told is how the event says that TCP ended. What coder/websocket is told
// inside a message is kept from being io.EOF, and only its text tells it.
func told(ev closeguard.CloseEvent) []string {
	words := causes(ev)
	if strings.Contains(ev.Error(), "ended inside a message: "+io.EOF.Error()) {
		words = append(words, cutOff)
	}
	return words
}

const cutOff = "FIN inside a message"

func kindOf(ev closeguard.CloseEvent) string {
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return "peer closed"
	case *closeguard.LocalClosed:
		return "local closed"
	default:
		return "dropped"
	}
}

func closeText(f *rawpeer.Frame) string {
	switch {
	case f == nil:
		return "none"
	case len(f.Payload) < 2:
		return "1005"
	}
	return text(f.CloseCode(), f.CloseReason())
}

func frameText(f *closeguard.CloseFrame) string {
	if f == nil {
		return "none"
	}
	return text(int(f.Code), f.Reason)
}

func text(code int, reason string) string {
	if reason == "" {
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %q", code, reason)
}
