package closeguard

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"syscall"

	"github.com/closeguard/ws/closeguard/cause"
)

// The causes that the guard itself gives an ending. They are in the tree of
// [Ending.Err], so errors.Is finds them in every close event.
var (
	// ErrBareClose: the library closed TCP and wrote no Close frame. What the peer
	// got for it is Options.BareClose's.
	ErrBareClose = errors.New("closeguard: the library closed TCP without a Close frame")

	// ErrCloseIdle: after our Close the peer sent no byte for Options.CloseIdle.
	ErrCloseIdle = errors.New("closeguard: closing handshake stalled")

	// ErrCloseTimeout: the closing handshake took longer than Options.CloseTimeout.
	ErrCloseTimeout = errors.New("closeguard: closing handshake took too long")

	// ErrCloseBytes: after our Close more than Options.CloseBytes had to be discarded.
	ErrCloseBytes = errors.New("closeguard: peer sent too much during the closing handshake")

	// ErrEvicted: more than Options.MaxClosing connections were closing, and
	// this one had gone longest without a byte from its peer.
	ErrEvicted = errors.New("closeguard: evicted, too many connections are closing")

	// ErrShutdown: the guard was shut down. A request for a WebSocket that comes
	// later is refused with it.
	ErrShutdown = errors.New("closeguard: shut down")

	// ErrKicked: the program closed it with Guard.CloseKey or Guard.CloseFunc.
	ErrKicked = errors.New("closeguard: closed by the server")

	// ErrPingTimeout: nothing came within Options.PingTimeout of a ping.
	ErrPingTimeout = errors.New("closeguard: ping timeout")

	// ErrIdleTimeout: no data frame went either way for Options.IdleTimeout.
	ErrIdleTimeout = errors.New("closeguard: idle timeout")

	// ErrMaxAge: the connection was older than Options.MaxAge.
	ErrMaxAge = errors.New("closeguard: maximum age reached")

	// ErrWriteStall: a Write was blocked for Options.WriteStall, because the
	// peer doesn't read.
	ErrWriteStall = errors.New("closeguard: peer does not read")

	// ErrAborted: the program aborted the connection without a closing handshake.
	ErrAborted = errors.New("closeguard: aborted")

	// ErrAbandoned: the program dropped the connection without closing it, and
	// the garbage collector found it.
	ErrAbandoned = errors.New("closeguard: connection abandoned without being closed")
)

var (
	// errInFrame: our Close could not be sent.
	errInFrame = errors.New("closeguard: the library closed inside a frame that can't be finished")

	errNotOpen    = errors.New("closeguard: the connection is not open: no 101 was sent, or it isn't a WebSocket")
	errClaimed    = errors.New("closeguard: the request's connection was wrapped already")
	errNilMatch   = errors.New("closeguard: CloseFunc: match is nil")
	errOtherGuard = errors.New("closeguard: the connection is guarded by another guard already")

	errNoAnswer = errors.New("closeguard: what was written behind Hijack is no HTTP answer, as where a ResponseWriter has held a 101 back")

	errTransportPanic = errors.New("closeguard: the transport panicked")
	errNothingWritten = errors.New("closeguard: the transport's Write wrote nothing and returned no error")
	errCount          = errors.New("closeguard: the transport returned a count that can't be")
)

// sentinel is the error that stands for a cause of the guard's own, nil for the
// other causes.
func sentinel(c cause.Cause) error {
	return [...]error{
		cause.BareClose:    ErrBareClose,
		cause.CloseIdle:    ErrCloseIdle,
		cause.CloseTimeout: ErrCloseTimeout,
		cause.CloseBytes:   ErrCloseBytes,
		cause.Evicted:      ErrEvicted,
		cause.Shutdown:     ErrShutdown,
		cause.Kicked:       ErrKicked,
		cause.PingTimeout:  ErrPingTimeout,
		cause.IdleTimeout:  ErrIdleTimeout,
		cause.MaxAge:       ErrMaxAge,
		cause.WriteStall:   ErrWriteStall,
		cause.Aborted:      ErrAborted,
		cause.Abandoned:    ErrAbandoned,
		cause.FrameUnsent:  errInFrame,
	}[c]
}

// causeOf sorts an error of the transport's.
func causeOf(err error) cause.Cause {
	_, record := find[tls.RecordHeaderError](err)
	_, alert := find[tls.AlertError](err)
	switch {
	case isEOF(err):
		return cause.EOF
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return cause.Reset
	case record, alert:
		return cause.TLS
	default:
		return cause.Transport
	}
}

// isEOF tells the end of the peer's stream from a failure.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// ranOut reports whether a deadline ended a call. The kernel's ETIMEDOUT is a
// timeout, too, but it is the end of TCP.
func ranOut(err error) bool {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	_, system := find[syscall.Errno](err)
	return !system && isTimeout(err)
}

func isTimeout(err error) bool {
	ne, ok := find[net.Error](err)
	return ok && ne.Timeout()
}

// counted checks what a transport says that it read or wrote of n bytes.
func counted(got, n int, err error) (int, error) {
	switch {
	case got < 0:
		return 0, join(errCount, err)
	case got > n:
		return n, join(errCount, err)
	default:
		return got, err
	}
}

// limitError is what the library's Read and Write return on a connection that
// reached a limit of its closing handshake. It is a timeout to whoever asks,
// and not net.ErrClosed: coder/websocket takes that for a handshake that went well.
type limitError struct{ cause error }

func (e *limitError) Error() string   { return e.cause.Error() }
func (e *limitError) Timeout() bool   { return true }
func (e *limitError) Temporary() bool { return false }
func (e *limitError) Unwrap() error   { return e.cause }

func (e *limitError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// truncatedError takes the place of io.EOF and io.ErrUnexpectedEOF inside a
// message for a library that takes them for the end of the message. It
// matches neither, on purpose.
type truncatedError struct{ text string }

// truncated is how errors begin that tell of an end inside a message.
const truncated = "closeguard: connection ended inside a message: "

func (e *truncatedError) Error() string { return truncated + e.text }

// PanicError is the cause of an ending that a handler's panic brought about: errors.As
// finds it in the close event.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // of the goroutine that panicked, as from runtime/debug.Stack
}

// Error says what the panic's value was, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the panic's value if it is an error, so that errors.Is finds
// what is inside.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// closeError is a handler's choice of a Close frame, see [Error].
type closeError struct {
	frame CloseFrame
	err   error
}

// Error returns an error with which a handler chooses how its connection is
// closed: with this code and reason. The err, which may be nil, says why to
// the logs; it is in the tree of the ending's Err and is never sent.
//
// The frame is not checked here: in place of one that must not be sent the nearest
// legal one is, and the event's Intended names it. [CodeOf] finds the code.
func Error(code Code, reason string, err error) error {
	return &closeError{frame: CloseFrame{Code: code, Reason: reason}, err: err}
}

// Error has no name of the code: which one the program has for it is known only
// where the connection is.
func (e *closeError) Error() string {
	s := "close with " + e.frame.named(strconv.Itoa(int(e.frame.Code)))
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

func (e *closeError) Unwrap() error { return e.err }

// Code returns the code that was chosen.
func (e *closeError) Code() Code { return e.frame.Code }

func (*closeError) coded() {}

// coded is an error with a close code: a close event, and what Error returns.
type coded interface {
	error
	Code() Code
	coded()
}

// find is errors.As without reflection, for what every connection's end asks for. It
// allocates only where an error of another package has an As method.
// (From Go 1.26 on, errors.AsType is the same.)
func find[T error](err error) (found T, ok bool) {
	for err != nil {
		if found, ok = err.(T); ok { //nolint:errorlint // the tree is walked here
			return found, true
		}
		switch x := err.(type) { //nolint:errorlint // as above
		case *concealedError:
			err = x.err
			continue
		case interface{ As(target any) bool }:
			if found, ok = foundBy[T](x); ok {
				return found, true
			}
		}
		switch x := err.(type) { //nolint:errorlint // as above
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			for _, err := range x.Unwrap() {
				if found, ok = find[T](err); ok {
					return found, true
				}
			}
			return found, false
		default:
			return found, false
		}
	}
	return found, false
}

func foundBy[T error](x interface{ As(target any) bool }) (found T, ok bool) {
	ok = x.As(&found)
	return found, ok
}

// CodeOf returns the code of a close event or of an [Error] in err's tree, of
// the outermost if there are several, 0 if there is none. A switch over it
// takes the place of comparisons with a library's own close error:
//
//	switch closeguard.CodeOf(err) {
//	case closeguard.NormalClosure, closeguard.GoingAway:
//		return
//	}
func CodeOf(err error) Code {
	if c, ok := find[coded](err); ok {
		return c.Code()
	}
	return 0
}

// concealedError hides net.ErrClosed in an error's tree: it is there because
// the library closed its side afterwards, and the usual filter for it would
// make a peer's Close disappear from the logs. Everything else is found as before.
type concealedError struct{ err error }

func (e *concealedError) Error() string { return e.err.Error() }

func (e *concealedError) Is(target error) bool {
	return target != net.ErrClosed && errors.Is(e.err, target)
}

func (e *concealedError) As(target any) bool { return errors.As(e.err, target) }

func conceal(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return &concealedError{err}
	}
	return err
}

// joinedError is several causes in one line, the most telling one first.
type joinedError struct{ errs []error }

func (e *joinedError) Error() string {
	s := e.errs[0].Error()
	for _, err := range e.errs[1:] {
		s += "; " + err.Error()
	}
	return s
}

func (e *joinedError) Unwrap() []error { return e.errs }

// join puts causes together, without nils and without one that is already in
// the tree of another.
func join(errs ...error) error {
	var last error
	n := 0
	for _, err := range errs {
		if err != nil {
			last = err
			n++
		}
	}
	if n < 2 {
		return last // as it mostly is
	}
	var kept []error
	for _, err := range errs {
		known := func(k error) bool { return errors.Is(k, err) }
		if err != nil && !slices.ContainsFunc(kept, known) {
			kept = append(kept, err)
		}
	}
	if len(kept) == 1 {
		return kept[0]
	}
	return &joinedError{kept}
}
