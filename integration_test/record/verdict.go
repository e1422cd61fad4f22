package record

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// crossing is where both orders count, and the only place: two things that
// happen on different sides of a connection at nearly the same time have no
// order. What the kernel said first may be looked at last, by goroutines that
// wait for a processor. Time in which the whole process didn't run doesn't count.
const crossing = 300 * time.Millisecond

// Crossed reports whether two things have no order.
func Crossed(a, b time.Time) bool { return !before(a, b) && !before(b, a) }

// before reports whether a came before b for certain.
func before(a, b time.Time) bool { return b.Sub(a)-Stalls.Between(a, b) > crossing }

// Answers says which of two Closes answers the other for certain, whatever the
// clock says: the peer's, which it wrote when it had read ours, or ours, which
// repeats what only the peer says.
type Answers func(theirs, ours *rawpeer.Frame) (peer, server bool)

// Misfits compares an event with the record of its connection. The answers may
// be known better than from the clock.
func (r *Record) Misfits(ev closeguard.CloseEvent, answers Answers) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Concat(r.misframed(ev), r.misjudged(ev, answers), r.miscaused(ev))
}

// guards are the causes that are the guard's own, and what they are to errors.Is.
var guards = map[cause.Cause]error{
	cause.BareClose: closeguard.ErrBareClose, cause.Abandoned: closeguard.ErrAbandoned, cause.Aborted: closeguard.ErrAborted,
	cause.PingTimeout: closeguard.ErrPingTimeout, cause.IdleTimeout: closeguard.ErrIdleTimeout,
	cause.MaxAge: closeguard.ErrMaxAge, cause.WriteStall: closeguard.ErrWriteStall,
	cause.Shutdown: closeguard.ErrShutdown, cause.Kicked: closeguard.ErrKicked,
	cause.CloseIdle: closeguard.ErrCloseIdle, cause.CloseTimeout: closeguard.ErrCloseTimeout,
	cause.CloseBytes: closeguard.ErrCloseBytes, cause.Evicted: closeguard.ErrEvicted,
}

// miscaused compares the cause in a word with the errors, which say the same, and
// with the record. Deadlines and contexts only the program knows.
func (r *Record) miscaused(ev closeguard.CloseEvent) []string {
	end, c, said := ev.End(), ev.Cause(), r.may()
	broken, panicked := (*closeguard.FrameError)(nil), (*closeguard.PanicError)(nil)
	wrong := map[cause.Cause]bool{
		cause.None:          !end.Answered() && !r.cutOff(ev),
		cause.EOF:           !slices.Contains(said, "FIN"),
		cause.Reset:         !slices.Contains(said, "reset") && !slices.Contains(said, "killed"),
		cause.Panic:         !errors.As(ev, &panicked),
		cause.HandlerError:  end.Err == nil,
		cause.ProtocolError: !errors.As(ev, &broken),
		cause.FrameUnsent:   end.Sent != nil,
	}[c]
	if target, ours := guards[c]; wrong || ours && !errors.Is(ev, target) {
		return []string{fmt.Sprintf("the cause is %v, on the wire %q (%v)", c, said, ev)}
	}
	return nil
}

// misframed compares what crossed the wire with what may, and with the frames in
// the event.
func (r *Record) misframed(ev closeguard.CloseEvent) (all []string) {
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	end := ev.End()
	if r.Closed.IsZero() {
		complain("told before TCP was closed")
	} else if !r.Gone {
		complain("the descriptor is open")
	}
	if r.Out.After > 0 {
		complain("%d bytes left behind our Close", r.Out.After)
	}
	if got, want := FrameText(end.Sent), CloseText(r.Out.Close); got != want {
		complain("sent %s, on the wire %s", got, want)
	}
	if f := r.Out.Close; f != nil && !legal(f, r.In.Close != nil && r.In.Close.CloseCode() == f.CloseCode()) {
		complain("%s may not leave", CloseText(f))
	}
	if got, want := FrameText(end.Received), CloseText(r.In.Close); got != want && (got != "none" || !r.cutOff(ev)) {
		complain("received %s, on the wire %s", got, want)
	}
	if end.Intended != nil && end.Sent != nil && end.Intended.Validate(closeguard.Server) == nil {
		complain("intended %v beside %v, and it is legal", end.Intended, end.Sent)
	}
	return all
}

// misjudged compares the event's kind, code, causes and cleanness with the record.
func (r *Record) misjudged(ev closeguard.CloseEvent, answers Answers) (all []string) {
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	end := ev.End()
	kind := KindOf(ev)
	if !r.mayBe(kind, answers) {
		complain("it is %s", kind)
	}
	if got, want := int(ev.Code()), r.code(kind); got != want {
		complain("the code is %d, not %d", got, want)
	}
	got, must, may := Told(ev), []string(nil), r.may()
	if i := slices.Index(got, CutOff); i >= 0 {
		got[i] = "FIN"
	}
	if ev.Clean() { // a library that reads on behind both Closes is told io.EOF, and may pass that on
		got = slices.DeleteFunc(got, func(word string) bool { return word == "FIN" })
	}
	if kind == "dropped" {
		must = r.must(ev)
		if len(got) == 0 && !ours(ev) && !r.said(ev) {
			complain("dropped for no reason")
		}
	}
	if !contains(got, must) || !contains(may, got) {
		complain("because of %q, on the wire first %q, in all %q (%v)", got, must, may, ev)
	}
	both := r.Out.Close != nil && r.In.Close != nil
	if clean := both && legal(r.In.Close, true); end.Answered() != both && !r.cutOff(ev) ||
		ev.Clean() != clean && (!clean || !errors.Is(ev, closeguard.ErrAborted) && !r.cutOff(ev)) {
		complain("answered: %t, clean: %t, with %s and %s on the wire", end.Answered(), ev.Clean(), CloseText(r.Out.Close), CloseText(r.In.Close))
	}
	return all
}

// ours reports whether the server's side ended TCP, on behalf of the program or
// at a limit.
func ours(ev closeguard.CloseEvent) bool {
	return slices.ContainsFunc([]error{
		closeguard.ErrAborted, closeguard.ErrCloseIdle, closeguard.ErrCloseTimeout, closeguard.ErrCloseBytes, closeguard.ErrEvicted,
	}, func(cause error) bool { return errors.Is(ev, cause) }) || KindOf(ev) == "dropped" && errors.Is(ev, net.ErrClosed)
}

// said reports whether what the transport said is in the event.
func (r *Record) said(ev closeguard.CloseEvent) bool {
	return r.In.Err != nil && errors.Is(ev, r.In.Err) || r.Out.Err != nil && errors.Is(ev, r.Out.Err)
}

// cutOff reports whether the guard may have ended the connection, for reasons of
// its own or because writing failed, while the last bytes were on their way to it.
func (r *Record) cutOff(ev closeguard.CloseEvent) bool {
	return (ours(ev) || r.Out.Err != nil) && r.In.Close != nil && !before(r.In.At, r.Closed)
}

// mayBe reports whether the record allows an event of that kind.
func (r *Record) mayBe(kind string, answers Answers) bool {
	in, out := r.In.Close != nil, r.Out.Close != nil
	var theirAnswer, ourAnswer bool
	if in && out {
		theirAnswer, ourAnswer = answers(r.In.Close, r.Out.Close)
	}
	over := r.over()
	switch kind {
	case "peer closed":
		return in && !before(over, r.In.At) && (!out || ourAnswer || !theirAnswer && !before(r.Out.At, r.In.Start))
	case "local closed":
		return out && !before(over, r.Out.Start) && (!in || theirAnswer || !ourAnswer && !before(r.In.At, r.Out.Start))
	default:
		return (!in || !before(r.In.At, over)) && (!out || !before(r.Out.At, over))
	}
}

// code is the code of an event of that kind.
func (r *Record) code(kind string) int {
	switch {
	case kind == "peer closed" && r.In.Close != nil && legal(r.In.Close, true):
		return r.In.Close.CloseCode()
	case kind == "peer closed" && r.In.Close != nil && mayBeSent(r.In.Close.CloseCode(), true):
		return 1007
	case kind == "peer closed":
		return 1002
	case kind == "local closed" && r.Out.Close != nil:
		return r.Out.Close.CloseCode()
	default:
		return 1006
	}
}

// over is when TCP ended, as far as the server's side can know.
func (r *Record) over() time.Time {
	over := r.Closed
	for _, s := range []*Stream{&r.In, &r.Out} {
		if s.Err != nil && s.Ended.Before(over) {
			over = s.Ended
		}
	}
	return over
}

// may is how TCP ended without us, in all that the server's side was told of it:
// the kernel tells a failure once, and whoever asks again is told of a broken
// pipe or reads the end of the stream. must is what of it came first for certain.
func (r *Record) may() []string {
	return slices.Concat(r.In.Said, r.Out.Said)
}

func (r *Record) must(ev closeguard.CloseEvent) []string {
	first, other := &r.In, &r.Out
	if first.Err == nil || other.Err != nil && other.Ended.Before(first.Ended) {
		first, other = other, first
	}
	if first.Err == nil || ours(ev) && !before(first.Ended, r.Closed) || other.Err != nil && !before(first.Ended, other.Ended) {
		return nil
	}
	return Causes(first.Err)
}

func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// Order is what went over the connection, for people: how long before the
// server's side ended it.
func (r *Record) Order() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	type step struct {
		at   time.Time
		what string
	}
	var steps []step
	if f := r.In.Close; f != nil {
		steps = append(steps, step{r.In.At, "received " + CloseText(f)})
	}
	if f := r.Out.Close; f != nil {
		steps = append(steps, step{r.Out.Start, "began to send " + CloseText(f)}, step{r.Out.At, "sent it"})
	}
	if r.In.Err != nil {
		steps = append(steps, step{r.In.Ended, "read " + r.In.Err.Error()})
	}
	if r.Out.Err != nil {
		steps = append(steps, step{r.Out.Ended, "wrote " + r.Out.Err.Error()})
	}
	slices.SortFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%v %s, ", s.at.Sub(r.Closed).Round(100*time.Microsecond), s.what)
	}
	return fmt.Sprintf("%sclosed %v after it was accepted, of which the process stood still %v; %d bytes in, %d out",
		b.String(), r.Closed.Sub(r.Began).Round(time.Millisecond), Stalls.Between(r.Began, r.Closed), r.In.Bytes, r.Out.Bytes)
}
