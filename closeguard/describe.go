package closeguard

import (
	"errors"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// event is what is known now, with words as the caller's own cause; late says that
// the call began after the end. It is nil while the connection is open.
func (l *link) event(words error, late bool) CloseEvent {
	if r := l.machine().Record(); r.Open() {
		return nil
	}
	now := l.end.ClosedAt()
	if now == 0 {
		now = l.guard.now()
	}
	return l.end.event(now, words, Ending{
		ConnInfo: l.info(),
		Duration: now - l.out.opened(),
		Idle:     max(0, now-l.in.LastActive()),
		Traffic:  l.traffic().total(),
		guard:    l.guard,
		late:     late,
	})
}

// event adds to what is known of the connection what is known of its end.
func (e *ending) event(now instant, words error, known Ending) CloseEvent {
	r := e.Record()
	known.Sent, known.Received = framesOf(r.Sent, r.Received)
	known.Intended = frameOf(r.Intended)
	known.cause = e.Cause()
	known.misfit, known.aborted = r.Misfit, r.Aborted
	known.ongoing = e.Stage() < closing.Ending && r.Down == nil
	if r.Began != 0 {
		known.Handshake = now - r.Began
	}
	if r.Illegal != nil {
		known.illegal, known.answer = true, Code(r.Illegal.Code())
	}
	known.Err = causes(e.Counting(), words)
	switch r.First {
	case closing.Nobody:
		return nil
	case closing.Peer:
		if !known.late {
			known.Err = conceal(known.Err)
		}
		return &PeerClosed{known}
	case closing.Us:
		return &LocalClosed{known}
	case closing.Transport:
		if !known.late && !known.aborted {
			known.Err = conceal(known.Err)
		}
		return &Dropped{known}
	}
	panic("BUG: closeguard: a party that there isn't")
}

// took is how long the end that ev tells of took. It counts, too, while our Close
// can't leave.
func (e *ending) took(ev CloseEvent) time.Duration {
	took := ev.end().Handshake
	if since := e.Since(); since != 0 {
		took = max(took, e.ClosedAt()-since)
	}
	return took
}

// framesOf are the two frames that most ends have, in one piece of memory.
func framesOf(sent, received *closing.Frame) (s, r *CloseFrame) {
	if sent == nil || received == nil {
		return frameOf(sent), frameOf(received)
	}
	both := &[2]CloseFrame{outside(*sent), outside(*received)}
	return &both[0], &both[1]
}

func frameOf(f *closing.Frame) *CloseFrame {
	if f == nil {
		return nil
	}
	out := outside(*f)
	return &out
}

// causes puts together what has brought the end about, the most telling first.
// With words, a caller's own, they take the place of what was said before.
func causes(why closing.Reasons, words error) error {
	if len(why) == 0 {
		return words
	}
	var errs []error
	said := false
	for _, reason := range why.Telling() {
		if words != nil && !said && reason.SaysNoMoreThanWords() {
			errs, said = append(errs, words), true
		}
		if words == nil || reason.Cause != cause.HandlerError && reason.Cause != cause.None {
			errs = append(errs, asError(reason))
		}
	}
	if words != nil && !said {
		errs = append(errs, words)
	}
	return join(errs...)
}

// asError is a reason as an error for the program.
func asError(r closing.Reason) error {
	var v *closing.Violation
	switch {
	case r.Err == nil:
		return sentinel(r.Cause)
	case errors.As(r.Err, &v):
		return frameError(v)
	default:
		return r.Err
	}
}
