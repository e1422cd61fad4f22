package closeguard

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime/debug"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// internalError is what a peer is told of a handler that failed.
var internalError = CloseFrame{Code: InternalError, Reason: "internal error"}

// Serve runs a handler for the connection and closes it as the handler's return
// says.
func (d connDriver) Serve(handler func() error) {
	l := d.conn.link
	l.mu.Lock()
	l.app.Serving = true
	l.mu.Unlock()
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		l.panicked(v)
		if v != nil {
			panic(v)
		}
	}()
	err := handler()
	returned = true
	d.returned(err)
}

// returned closes the connection as a handler's error says.
func (d connDriver) returned(err error) {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	outermost, _ := find[coded](err)
	chosen, _ := outermost.(*closeError) // one inside another event is that event's
	r := l.machine().Record()
	if why := d.canceledFor(err); why != nil && outermost == nil {
		chosen = chosenBy(why)
		err = join(err, why)
	}
	var f CloseFrame
	switch {
	case chosen != nil:
		f = chosen.frame
	case r.Fault != nil:
		f = CloseFrame{Code: ProtocolError} // the peer's fault, for which the library sent nothing (rule 5)
	case err == nil:
		f = CloseFrame{Code: NormalClosure}
	case isDone(err, l.app.Closed):
		f = CloseFrame{Code: GoingAway}
		if bare := l.bareCloseYielding(); bare != nil {
			f = outside(*bare)
		}
	default:
		f = internalError
	}
	if chosen != nil && err == error(chosen) && r.Open() { //nolint:errorlint // what wraps it says more
		err = chosen.err // the frame says the rest
	}
	if err = l.without(err); err != nil {
		l.on(closing.Told{Reason: closing.Reason{Cause: cause.HandlerError, Err: err}})
	}
	l.handlerDoneYielding(f)
}

// canceledFor is the cause of the context whose end a handler's error tells of: that
// of a call of the library's, or the request's. It is nil if the error tells of none.
func (d connDriver) canceledFor(err error) error {
	l := d.conn.link
	l.noteCanceled(d.conn.canceled())
	switch t := l.machine().Record().TimedOut; {
	case !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && (!l.app.Closed || !errors.Is(err, net.ErrClosed)):
		return nil
	case t.Cause == cause.Context:
		return t.Err
	default:
		return context.Cause(l.context())
	}
}

// chosenBy is the choice of a Close in the cause of a context's end, nil if there is
// none.
func chosenBy(why error) *closeError {
	outermost, _ := find[coded](why)
	chosen, _ := outermost.(*closeError)
	return chosen
}

// isDone reports whether a handler's error says only that it is done: a timeout, a
// context's end, or the program's own Close, which woke the library.
func isDone(err error, closed bool) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || isTimeout(err) ||
		closed && errors.Is(err, net.ErrClosed)
}

// panicked closes the connection for a handler that didn't return: v is what
// it panicked with, nil if it called runtime.Goexit. A panic passes here twice
// where a Serve runs below the middleware; the first time counts.
func (l *link) panicked(v any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen || l.app.Panic == closing.PanicKnown {
		return
	}
	if v != nil {
		told := closing.Told{Reason: closing.Reason{Cause: cause.Panic, Err: &PanicError{Value: v, Stack: debug.Stack()}}}
		if l.app.Panic == closing.PanicAwaited {
			told.Behind = cause.BareClose // a deferred Close, which came first
		}
		l.app.Panic = closing.PanicKnown
		l.on(told)
	}
	l.handlerDoneYielding(internalError)
}

// handlerDoneYielding closes a connection whose handler is done with it.
func (l *link) handlerDoneYielding(f CloseFrame) {
	l.app.Serving = false
	if l.phase != phaseOpen {
		return
	}
	l.needEnding().linger.lookFirstYielding()
	if l.machine().Stage() < closing.Ending {
		l.on(closing.Ask{Frame: f.inside()})
		l.libraryDone()
	}
	l.finishCloseYielding()
}
