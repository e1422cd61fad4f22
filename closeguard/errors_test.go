package closeguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// sentinels are what an ending may be matched with, and none of them matches
// another.
var sentinels = []error{
	net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, context.Canceled,
	syscall.ECONNRESET, syscall.EPIPE,
	ErrBareClose, ErrCloseIdle, ErrCloseTimeout, ErrCloseBytes, ErrEvicted, ErrShutdown, ErrAborted, ErrAbandoned,
	ErrKicked, ErrPingTimeout, ErrIdleTimeout, ErrMaxAge, ErrWriteStall,
	errApplication,
}

var errApplication = errors.New("no such room")

// checkIs holds errors.Is against the list of all that err matches.
func checkIs(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, target := range sentinels {
		if got := errors.Is(err, target); got != slices.Contains(want, target) {
			t.Errorf("errors.Is(%v, %v) = %v", err, target, got)
		}
	}
}

func TestSentinelsDiffer(t *testing.T) {
	for _, err := range sentinels {
		checkIs(t, err, err)
	}
}

func TestError(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
		is   []error
	}{
		{"code", Error(GoingAway, "", nil), `close with 1001`, nil},
		{"code and reason", Error(PolicyViolation, "bad token", nil), `close with 1008 "bad token"`, nil},
		{"with a cause", Error(4001, "", errApplication), `close with 4001: no such room`, []error{errApplication}},
		{"with a cause and a reason", Error(4001, "gone", errApplication), `close with 4001 "gone": no such room`, []error{errApplication}},
		{"code that can't be sent", Error(70000, "", nil), `close with 70000`, nil},
		{"around a closed connection", Error(InternalError, "", net.ErrClosed), `close with 1011: use of closed network connection`, []error{net.ErrClosed}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			checkIs(t, tt.err, tt.is...)
		})
	}
}

func TestCodeOf(t *testing.T) {
	var (
		ours   = &LocalClosed{Ending{Sent: &CloseFrame{Code: GoingAway}}}
		theirs = &PeerClosed{Ending{Received: &CloseFrame{Code: 4000}}}
		chosen = Error(4001, "", nil)
	)
	tests := []struct {
		name string
		err  error
		want Code
	}{
		{"nil", nil, 0},
		{"another error", io.EOF, 0},
		{"another error, wrapped", fmt.Errorf("reading: %w", net.ErrClosed), 0},
		{"a broken rule is no close code", &FrameError{Rule: string(closing.RuleCode), Value: 1006}, 0},

		{"their Close", theirs, 4000},
		{"our Close", ours, GoingAway},
		{"a drop", &Dropped{}, AbnormalClosure},
		{"wrapped event", fmt.Errorf("reading: %w", theirs), 4000},
		{"wrapped twice", fmt.Errorf("room 7: %w", fmt.Errorf("reading: %w", theirs)), 4000},
		{"joined event", errors.Join(io.EOF, theirs), 4000},
		{"event with an illegal Close", &PeerClosed{Ending{Received: &CloseFrame{Code: 1006}, illegal: true, answer: ProtocolError}}, ProtocolError},

		{"chosen", chosen, 4001},
		{"chosen, wrapped", fmt.Errorf("handling: %w", chosen), 4001},
		{"chosen, joined", errors.Join(io.EOF, chosen), 4001},
		{"chosen, illegal", Error(70000, "", nil), 70000},
		{"chosen because of another error", Error(4001, "", io.EOF), 4001},

		{"the outermost: chosen because of an event", Error(BadGateway, "", theirs), BadGateway},
		{"the outermost: an event because of a choice", &LocalClosed{Ending{Sent: &CloseFrame{Code: InternalError}, Err: chosen}}, InternalError},
		{"the outermost: chosen because of a choice", Error(4002, "", chosen), 4002},
		{"of two that are joined the first", errors.Join(chosen, theirs), 4001},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := CodeOf(tt.err); got != tt.want {
				t.Errorf("CodeOf(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	var (
		reset   = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		library = fmt.Errorf("failed to read frame header: %w", io.EOF)
	)
	tests := []struct {
		name string
		errs []error
		want string // "" for nil
		is   []error
	}{
		{"nothing", nil, "", nil},
		{"only nils", []error{nil, nil}, "", nil},
		{"one", []error{nil, io.EOF, nil}, "EOF", []error{io.EOF}},
		{"two, in their order", []error{errApplication, ErrBareClose}, "no such room; closeguard: the library closed TCP without a Close frame", []error{errApplication, ErrBareClose}},
		{"three", []error{ErrAborted, ErrShutdown, io.EOF}, "closeguard: aborted; closeguard: shut down; EOF", []error{ErrAborted, ErrShutdown, io.EOF}},
		{"the same twice", []error{ErrAborted, ErrAborted}, "closeguard: aborted", []error{ErrAborted}},
		{"one that is in the tree of an earlier one", []error{library, io.EOF}, "failed to read frame header: EOF", []error{io.EOF}},
		{"a system's error that is in the tree", []error{reset, syscall.ECONNRESET}, "read tcp: read: connection reset by peer", []error{syscall.ECONNRESET}},
		{"one that is in the tree of a joined one", []error{errors.Join(errApplication, io.EOF), io.EOF}, "no such room\nEOF", []error{errApplication, io.EOF}},
		{"a joined one", []error{join(ErrAborted, io.EOF), errApplication}, "closeguard: aborted; EOF; no such room", []error{ErrAborted, io.EOF, errApplication}},
		{"of a type that can't be compared", []error{uncomparable{io.EOF}, uncomparable{io.EOF}}, "many; many", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := join(tt.errs...)
			checkIs(t, got, tt.is...)
			checkNoNils(t, got)
			switch {
			case got == nil:
				if tt.want != "" {
					t.Errorf("got nil, want %s", tt.want)
				}
			case got.Error() != tt.want:
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if got := join(nil, reset, syscall.ECONNRESET); got != error(reset) {
		t.Errorf("one error became %T", got)
	}
}

type uncomparable []error

func (uncomparable) Error() string { return "many" }

// checkNoNils: package errors says that a nil must not stand in an
// Unwrap() []error.
func checkNoNils(t *testing.T, err error) {
	t.Helper()
	switch e := err.(type) {
	case *concealedError:
		checkNoNils(t, e.err)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if inner == nil {
				t.Errorf("a nil stands in the tree of %v", err)
			}
			checkNoNils(t, inner)
		}
	case interface{ Unwrap() error }:
		checkNoNils(t, e.Unwrap())
	}
}

// Only net.ErrClosed is hidden; text and all else stay.
func TestConceal(t *testing.T) {
	closed := &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}
	tests := []struct {
		name   string
		err    error
		hidden bool
		is     []error
	}{
		{"nothing to hide", io.EOF, false, []error{io.EOF}},
		{"itself", net.ErrClosed, true, nil},
		{"in a net.OpError", closed, true, nil},
		{"wrapped", fmt.Errorf("reading: %w", closed), true, nil},
		{"beside others", join(ErrBareClose, closed, io.EOF), true, []error{ErrBareClose, io.EOF}},
		{"in another connection's event", &LocalClosed{Ending{Err: ErrAborted}}, true, []error{ErrAborted}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := conceal(tt.err)
			if got.Error() != tt.err.Error() {
				t.Errorf("the text became %q", got)
			}
			checkIs(t, got, tt.is...)
			if _, hidden := got.(*concealedError); hidden != tt.hidden {
				t.Errorf("hidden %v, want %v", hidden, tt.hidden)
			}
			var before, after *net.OpError
			if errors.As(tt.err, &before) != errors.As(got, &after) || before != after {
				t.Errorf("errors.As found %v, and now %v", before, after)
			}
		})
	}
}

// A limit is a timeout to whoever asks, and not a closed connection.
func TestLimitError(t *testing.T) {
	for _, limit := range []error{ErrCloseIdle, ErrCloseTimeout, ErrCloseBytes, ErrEvicted} {
		var err error = &limitError{limit}
		checkIs(t, err, limit, os.ErrDeadlineExceeded)
		if err.Error() != limit.Error() {
			t.Errorf("the text is %q, want %q", err, limit)
		}
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || !isTimeout(err) {
			t.Errorf("%v is no timeout", err)
		}
	}
}

// A message that was cut off is neither end of a stream.
func TestTruncatedError(t *testing.T) {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF} {
		err := &truncatedError{end.Error()}
		checkIs(t, err)
		if want := "closeguard: connection ended inside a message: " + end.Error(); err.Error() != want {
			t.Errorf("the text is %q, want %q", err, want)
		}
	}
}

func TestPanicError(t *testing.T) {
	tests := []struct {
		name  string
		value any
		want  string
		is    []error
	}{
		{"text", "boom", "panic: boom", nil},
		{"number", 7, "panic: 7", nil},
		{"error", fmt.Errorf("joining: %w", errApplication), "panic: joining: no such room", []error{errApplication}},
		{"nil", nil, "panic: <nil>", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := &PanicError{Value: tt.value, Stack: []byte("goroutine 1")}
			if err.Error() != tt.want {
				t.Errorf("the text is %q, want %q", err, tt.want)
			}
			checkIs(t, err, tt.is...)
		})
	}
}
