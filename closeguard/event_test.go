package closeguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// aLink is a connection that was open for 61 s, the last of them in silence,
// and on which something has happened.
func aLink(t *testing.T, happened ...func(*link)) *link {
	t.Helper()
	g, err := New(Options{CodeName: func(_ ConnInfo, c Code) string {
		if c == 4001 {
			return "room full"
		}
		return ""
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := g.newLink(t.Context(), ConnInfo{Number: 7, Role: Server, Guarded: true, Remote: "192.0.2.1:52110"})
	l.phase = phaseOpen
	l.out.opens(time.Second)
	l.in.Touch(61 * time.Second)
	for _, what := range happened {
		what(l)
	}
	l.needEnding().Conclude(62 * time.Second)
	return l
}

// happens is what the closing handshake is told 61 s after the start.
func happens(in closing.Input) func(*link) {
	return func(l *link) { l.needEnding().On(in, 61*time.Second) }
}

// What happens to a connection, by those who see it.
func theirs(payload []byte) func(*link) { return happens(closing.TheirClose{Payload: payload}) }

func ours(code Code, reason string) func(*link) {
	return func(l *link) { l.needEnding().Sent(closing.Frame{Code: int(code), Reason: reason}, 61*time.Second) }
}

func wanted(code uint16) func(*link) {
	return func(l *link) { l.needEnding().Outgoing(closePayload(code, ""), 61*time.Second) }
}

func asked(code Code, reason string) func(*link) {
	return happens(closing.Ask{Frame: closing.Frame{Code: int(code), Reason: reason}})
}

func end(err error) func(*link) {
	return happens(closing.ReadEnded{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
}

func ran(out cause.Cause, err error) func(*link) {
	return happens(closing.RanOut{Reason: closing.Reason{Cause: out, Err: err}})
}

func aborted(l *link) { happens(closing.CutOff{})(l) }

// bare is a library's end without a Close frame, with Options.BareClose as it is.
func bare(l *link) { happens(closing.LibraryClosed{})(l) }

func because(causes ...cause.Cause) func(*link) {
	return func(l *link) {
		for _, c := range causes {
			happens(closing.Told{Reason: closing.Reason{Cause: c}})(l)
		}
	}
}

func limit(c cause.Cause) func(*link) { return happens(closing.LimitReached{Limit: c}) }

func told(err error) func(*link) {
	return happens(closing.Told{Reason: closing.Reason{Cause: cause.None, Err: err}})
}

func panicking(v any) func(*link) {
	return func(l *link) {
		happens(closing.Told{Reason: closing.Reason{Cause: cause.Panic, Err: &PanicError{Value: v}}})(l)
	}
}

func violation(l *link) {
	happens(closing.TheirFault{Violation: closing.NewViolation(closing.RuleRSV, 4, nil)})(l)
}

func closeOf(code uint16) []byte { return closePayload(code, "") }

// opError is a system call that failed, as package net tells it.
func opError(err error) error {
	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}
	return &net.OpError{Op: "read", Net: "tcp", Source: addr, Addr: addr, Err: err}
}

var (
	connReset  = opError(os.NewSyscallError("read", syscall.ECONNRESET))
	brokenPipe = opError(os.NewSyscallError("write", syscall.EPIPE))
	ioTimeout  = opError(os.ErrDeadlineExceeded)
	connClosed = opError(net.ErrClosed)
)

type happenings = []func(*link)

// Each way in which a connection ends: the event's type, its one line, code,
// and whether it was clean; and everything that errors.Is finds in it.
var endings = []struct {
	name     string
	happened happenings
	kind     CloseEvent
	cause    cause.Cause
	text     string
	code     Code
	clean    bool
	is       []error
}{
	{"peer", happenings{theirs(closePayload(1001, "tab closed")), ours(GoingAway, "")}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1001 going away "tab closed"`, GoingAway, true, nil},
	{"peer, empty", happenings{theirs(nil), ours(NoStatusReceived, "")}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1005 no status received`, NoStatusReceived, true, nil},
	{"peer, answered otherwise", happenings{theirs(closeOf(4000)), ours(NormalClosure, "")}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 4000 private use`, 4000, true, nil},
	{"peer, then EOF", happenings{theirs(closeOf(1000)), end(io.EOF)}, &PeerClosed{}, cause.EOF,
		`websocket closed by peer: 1000 normal closure: EOF`, NormalClosure, false, []error{io.EOF}},
	{"peer, then a reset", happenings{theirs(closeOf(1000)), end(connReset)}, &PeerClosed{}, cause.Reset,
		`websocket closed by peer: 1000 normal closure: connection reset by peer`, NormalClosure, false, []error{syscall.ECONNRESET}},
	{"peer, answered, then a reset", happenings{theirs(closeOf(1000)), ours(NormalClosure, ""), end(connReset)}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1000 normal closure`, NormalClosure, true, nil},
	{"peer, then a timeout", happenings{theirs(closeOf(1000)), ran(cause.ReadTimeout, ioTimeout)}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1000 normal closure`, NormalClosure, false, nil},
	{"peer, and the library found its side closed", happenings{theirs(closeOf(1000)), ours(NormalClosure, ""), told(connClosed)}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1000 normal closure: use of closed network connection`, NormalClosure, true, nil},
	{"peer, then our abort", happenings{theirs(closeOf(1000)), ours(NormalClosure, ""), aborted, because(cause.Aborted)}, &PeerClosed{}, cause.Aborted,
		`websocket closed by peer: 1000 normal closure: closeguard: aborted`, NormalClosure, false, []error{ErrAborted}},
	{"peer, illegal code", happenings{theirs(closePayload(1006, "gone")), ours(ProtocolError, "")}, &PeerClosed{}, cause.ProtocolError,
		`websocket closed by peer: 1006 abnormal closure "gone": closeguard: close code 1006 must not appear in a frame (RFC 6455 section 7.4.1)`, ProtocolError, false, nil},
	{"peer, code 0", happenings{theirs(closeOf(0)), ours(ProtocolError, "")}, &PeerClosed{}, cause.ProtocolError,
		`websocket closed by peer: 0 unused: closeguard: close code 0 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)`, ProtocolError, false, nil},
	{"peer, one byte", happenings{theirs([]byte("a")), ours(ProtocolError, "")}, &PeerClosed{}, cause.ProtocolError,
		`websocket closed by peer: 1005 no status received: closeguard: close payload of length 1 is too short for a code (RFC 6455 section 5.5.1)`, ProtocolError, false, nil},
	{"peer, not UTF-8", happenings{theirs(closePayload(1000, "a\xff")), ours(InvalidFramePayloadData, "")}, &PeerClosed{}, cause.ProtocolError,
		"websocket closed by peer: 1000 normal closure \"a\uFFFD\": closeguard: close reason is not UTF-8 at byte 1 (RFC 6455 section 5.5.1)", InvalidFramePayloadData, false, nil},
	{"peer, and the handler failed", happenings{theirs(closeOf(1001)), ours(GoingAway, ""), told(errApplication)}, &PeerClosed{}, cause.None,
		`websocket closed by peer: 1001 going away: no such room`, GoingAway, true, []error{errApplication}},

	{"ours", happenings{ours(PolicyViolation, "bad token"), theirs(closeOf(1008))}, &LocalClosed{}, cause.None,
		`websocket closed here: 1008 policy violation "bad token"`, PolicyViolation, true, []error{net.ErrClosed}},
	{"ours, not answered", happenings{ours(PolicyViolation, "bad token"), end(io.EOF)}, &LocalClosed{}, cause.EOF,
		`websocket closed here: 1008 policy violation "bad token", not answered: EOF`, PolicyViolation, false, []error{net.ErrClosed, io.EOF}},
	{"ours, then a reset", happenings{ours(NormalClosure, ""), end(connReset)}, &LocalClosed{}, cause.Reset,
		`websocket closed here: 1000 normal closure, not answered: connection reset by peer`, NormalClosure, false, []error{net.ErrClosed, syscall.ECONNRESET}},
	{"ours, empty", happenings{ours(NoStatusReceived, ""), theirs(nil)}, &LocalClosed{}, cause.None,
		`websocket closed here: 1005 no status received`, NoStatusReceived, true, []error{net.ErrClosed}},
	{"ours, answered illegally", happenings{ours(NormalClosure, ""), theirs(closeOf(999))}, &LocalClosed{}, cause.ProtocolError,
		`websocket closed here: 1000 normal closure: closeguard: close code 999 is in the unused range 0 to 999 (RFC 6455 section 7.4.2)`, NormalClosure, false, []error{net.ErrClosed}},
	{"ours, stalled", happenings{ours(MessageTooBig, ""), limit(cause.CloseIdle)}, &LocalClosed{}, cause.CloseIdle,
		`websocket closed here: 1009 message too big, not answered: closeguard: closing handshake stalled`, MessageTooBig, false, []error{net.ErrClosed, ErrCloseIdle}},
	{"ours, too slow", happenings{ours(MessageTooBig, ""), limit(cause.CloseTimeout)}, &LocalClosed{}, cause.CloseTimeout,
		`websocket closed here: 1009 message too big, not answered: closeguard: closing handshake took too long`, MessageTooBig, false, []error{net.ErrClosed, ErrCloseTimeout}},
	{"ours, too much behind it", happenings{ours(MessageTooBig, ""), limit(cause.CloseBytes)}, &LocalClosed{}, cause.CloseBytes,
		`websocket closed here: 1009 message too big, not answered: closeguard: peer sent too much during the closing handshake`, MessageTooBig, false, []error{net.ErrClosed, ErrCloseBytes}},
	{"ours, evicted", happenings{ours(MessageTooBig, ""), limit(cause.Evicted)}, &LocalClosed{}, cause.Evicted,
		`websocket closed here: 1009 message too big, not answered: closeguard: evicted, too many connections are closing`, MessageTooBig, false, []error{net.ErrClosed, ErrEvicted}},
	{"ours, and the library saw the limit", happenings{ours(MessageTooBig, ""), limit(cause.CloseIdle), told(&limitError{ErrCloseIdle})}, &LocalClosed{}, cause.CloseIdle,
		`websocket closed here: 1009 message too big, not answered: closeguard: closing handshake stalled`, MessageTooBig, false, []error{net.ErrClosed, ErrCloseIdle, os.ErrDeadlineExceeded}},
	{"ours, for a bare close", happenings{ours(GoingAway, ""), theirs(closeOf(1001)), because(cause.BareClose)}, &LocalClosed{}, cause.BareClose,
		`websocket closed here: 1001 going away: closeguard: the library closed TCP without a Close frame`, GoingAway, true, []error{net.ErrClosed, ErrBareClose}},
	{"ours, for a dropped Conn", happenings{ours(GoingAway, ""), theirs(closeOf(1001)), because(cause.Abandoned)}, &LocalClosed{}, cause.Abandoned,
		`websocket closed here: 1001 going away: closeguard: connection abandoned without being closed`, GoingAway, true, []error{net.ErrClosed, ErrAbandoned}},
	{"ours, for a shutdown", happenings{ours(GoingAway, "server shutting down"), theirs(closeOf(1001)), because(cause.Shutdown)}, &LocalClosed{}, cause.Shutdown,
		`websocket closed here: 1001 going away "server shutting down": closeguard: shut down`, GoingAway, true, []error{net.ErrClosed, ErrShutdown}},
	{"ours, kicked", happenings{ours(PolicyViolation, "banned"), theirs(closeOf(1008)), because(cause.Kicked)}, &LocalClosed{}, cause.Kicked,
		`websocket closed here: 1008 policy violation "banned": closeguard: closed by the server`, PolicyViolation, true, []error{net.ErrClosed, ErrKicked}},
	{"ours, no pong", happenings{ours(GoingAway, "ping timeout"), because(cause.PingTimeout), limit(cause.CloseIdle)}, &LocalClosed{}, cause.PingTimeout,
		`websocket closed here: 1001 going away "ping timeout", not answered: closeguard: ping timeout; closeguard: closing handshake stalled`, GoingAway, false, []error{net.ErrClosed, ErrPingTimeout, ErrCloseIdle}},
	{"ours, idle", happenings{ours(GoingAway, "idle timeout"), theirs(closeOf(1001)), because(cause.IdleTimeout)}, &LocalClosed{}, cause.IdleTimeout,
		`websocket closed here: 1001 going away "idle timeout": closeguard: idle timeout`, GoingAway, true, []error{net.ErrClosed, ErrIdleTimeout}},
	{"ours, too old", happenings{ours(GoingAway, "maximum age reached"), theirs(closeOf(1001)), because(cause.MaxAge)}, &LocalClosed{}, cause.MaxAge,
		`websocket closed here: 1001 going away "maximum age reached": closeguard: maximum age reached`, GoingAway, true, []error{net.ErrClosed, ErrMaxAge}},
	{"ours, cut off by a shutdown", happenings{because(cause.Shutdown), ours(GoingAway, ""), aborted, because(cause.Aborted)}, &LocalClosed{}, cause.Shutdown,
		`websocket closed here: 1001 going away, not answered: closeguard: aborted; closeguard: shut down`, GoingAway, false, []error{net.ErrClosed, ErrAborted, ErrShutdown}},
	{"ours, in place of an illegal one", happenings{wanted(1006), ours(GoingAway, ""), theirs(closeOf(1001))}, &LocalClosed{}, cause.None,
		`websocket closed here: 1001 going away, intended 1006 abnormal closure`, GoingAway, true, []error{net.ErrClosed}},
	{"ours, for a violation", happenings{violation, ours(ProtocolError, "RSV1 set")}, &LocalClosed{}, cause.ProtocolError,
		`websocket closed here: 1002 protocol error "RSV1 set", not answered: closeguard: reserved bits 100 are set and no extension uses them (RFC 6455 section 5.2)`, ProtocolError, false, []error{net.ErrClosed}},
	{"ours, as the handler chose", happenings{ours(4000, "gone"), theirs(closeOf(4000)), told(Error(4000, "gone", errApplication))}, &LocalClosed{}, cause.None,
		`websocket closed here: 4000 private use "gone": close with 4000 "gone": no such room`, 4000, true, []error{net.ErrClosed, errApplication}},
	{"ours, for a panic", happenings{ours(InternalError, "internal error"), panicking("boom")}, &LocalClosed{}, cause.Panic,
		`websocket closed here: 1011 internal error "internal error", not answered: panic: boom`, InternalError, false, []error{net.ErrClosed}},
	{"ours, for a panic with an error", happenings{ours(InternalError, ""), theirs(closeOf(1011)), panicking(errApplication)}, &LocalClosed{}, cause.Panic,
		`websocket closed here: 1011 internal error: panic: no such room`, InternalError, true, []error{net.ErrClosed, errApplication}},

	{"EOF", happenings{end(io.EOF)}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: EOF`, AbnormalClosure, false, []error{io.EOF}},
	{"EOF under TLS", happenings{end(io.ErrUnexpectedEOF)}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: unexpected EOF`, AbnormalClosure, false, []error{io.ErrUnexpectedEOF}},
	{"reset", happenings{end(connReset)}, &Dropped{}, cause.Reset,
		`websocket connection dropped after 61s: connection reset by peer`, AbnormalClosure, false, []error{syscall.ECONNRESET}},
	{"failed write", happenings{end(brokenPipe)}, &Dropped{}, cause.Reset,
		`websocket connection dropped after 61s: broken pipe`, AbnormalClosure, false, []error{syscall.EPIPE}},
	{"EOF, and the library closed", happenings{end(io.EOF), told(connClosed)}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: use of closed network connection; EOF`, AbnormalClosure, false, []error{io.EOF}},
	{"EOF, then a Close of the library's", happenings{end(io.EOF), wanted(1000)}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: EOF`, AbnormalClosure, false, []error{io.EOF}},
	{"an abort, then a Close of the library's", happenings{aborted, because(cause.Aborted), wanted(1000)}, &Dropped{}, cause.Aborted,
		`websocket connection dropped after 61s, intended 1000 normal closure: closeguard: aborted`, AbnormalClosure, false, []error{net.ErrClosed, ErrAborted}},
	{"EOF, and the library said more", happenings{end(io.EOF), told(fmt.Errorf("failed to read frame header: %w", io.EOF))}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: failed to read frame header: EOF`, AbnormalClosure, false, []error{io.EOF}},
	{"timeout", happenings{ran(cause.ReadTimeout, ioTimeout), bare}, &Dropped{}, cause.ReadTimeout,
		`websocket connection dropped after 61s: read: i/o timeout`, AbnormalClosure, false, []error{net.ErrClosed, os.ErrDeadlineExceeded}},
	{"a context's end", happenings{ran(cause.Context, context.Canceled), bare}, &Dropped{}, cause.Context,
		`websocket connection dropped after 61s: context canceled`, AbnormalClosure, false, []error{net.ErrClosed, context.Canceled}},
	{"a timeout was over, then EOF", happenings{ran(cause.ReadTimeout, ioTimeout), end(io.EOF)}, &Dropped{}, cause.EOF,
		`websocket connection dropped after 61s: EOF`, AbnormalClosure, false, []error{io.EOF}},
	{"our abort", happenings{aborted, because(cause.Aborted)}, &Dropped{}, cause.Aborted,
		`websocket connection dropped after 61s: closeguard: aborted`, AbnormalClosure, false, []error{net.ErrClosed, ErrAborted}},
	{"our abort, and the library found it closed", happenings{aborted, because(cause.Aborted), told(connClosed)}, &Dropped{}, cause.Aborted,
		`websocket connection dropped after 61s: use of closed network connection; closeguard: aborted`, AbnormalClosure, false, []error{net.ErrClosed, ErrAborted}},
	{"a Close that a stuck writer blocked", happenings{asked(GoingAway, ""), aborted, because(cause.BareClose)}, &Dropped{}, cause.BareClose,
		`websocket connection dropped after 61s, intended 1001 going away: closeguard: the library closed TCP without a Close frame`, AbnormalClosure, false, []error{net.ErrClosed, ErrBareClose}},
	{"a peer that doesn't read", happenings{asked(PolicyViolation, "too slow"), aborted, because(cause.WriteStall)}, &Dropped{}, cause.WriteStall,
		`websocket connection dropped after 61s, intended 1008 policy violation "too slow": closeguard: peer does not read`, AbnormalClosure, false, []error{net.ErrClosed, ErrWriteStall}},
}

func TestEndings(t *testing.T) {
	for _, tt := range endings {
		t.Run(tt.name, func(t *testing.T) {
			ev := aLink(t, tt.happened...).event(nil, false)
			if got, want := fmt.Sprintf("%T", ev), fmt.Sprintf("%T", tt.kind); got != want {
				t.Fatalf("it is a %s, want %s", got, want)
			}
			if got := ev.Error(); got != tt.text {
				t.Errorf("\n got %s\nwant %s", got, tt.text)
			}
			if got := ev.Cause(); got != tt.cause {
				t.Errorf("the cause is %v, want %v", got, tt.cause)
			}
			if got := ev.Code(); got != tt.code {
				t.Errorf("code %v, want %v", got, tt.code)
			}
			if got := ev.Clean(); got != tt.clean {
				t.Errorf("clean %v, want %v", got, tt.clean)
			}
			checkIs(t, ev, tt.is...)
			checkIs(t, fmt.Errorf("reading: %w", ev), tt.is...)
			checkNoNils(t, ev)

			// To a call that began after the end, the connection is closed too.
			late := aLink(t, tt.happened...).event(nil, true)
			checkIs(t, late, append([]error{net.ErrClosed}, tt.is...)...)
			if late.Error() != tt.text || late.Code() != tt.code || late.Clean() != tt.clean {
				t.Errorf("to a later call it is %v", late)
			}
		})
	}
}

// What the library says of the end takes the place of what it said before; the
// event matches it, and tells it.
func TestTheCallersErrorIsInTheTree(t *testing.T) {
	mine := errors.New("mine")
	for _, tt := range endings {
		ev := aLink(t, tt.happened...).event(mine, false)
		if !errors.Is(ev, mine) || !strings.Contains(ev.Error(), "mine") {
			t.Errorf("%s: %v does not tell %v", tt.name, ev, mine)
		}
	}
}

// The library's own net.ErrClosed must not hide who was first.
func TestTheCallersClosedConnection(t *testing.T) {
	library := fmt.Errorf("failed to read: %w", connClosed)
	tests := []struct {
		name     string
		happened happenings
		over     bool
		want     bool
	}{
		{"the peer closed", happenings{theirs(closeOf(1000))}, false, false},
		{"the peer closed before the call", happenings{theirs(closeOf(1000))}, true, true},
		{"we closed", happenings{ours(NormalClosure, "")}, false, true},
		{"EOF", happenings{end(io.EOF)}, false, false},
		{"EOF before the call", happenings{end(io.EOF)}, true, true},
		{"reset", happenings{end(connReset)}, false, false},
		{"we aborted", happenings{aborted}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := aLink(t, tt.happened...).event(library, tt.over)
			if got := errors.Is(ev, net.ErrClosed); got != tt.want {
				t.Errorf("errors.Is(%v, net.ErrClosed) = %v, want %v", ev, got, tt.want)
			}
			var op *net.OpError
			if !errors.Is(ev, library) || !errors.As(ev, &op) || op != connClosed {
				t.Errorf("%v hides more than net.ErrClosed", ev)
			}
		})
	}
}

func TestEventsFoundByType(t *testing.T) {
	tests := []struct {
		name                           string
		happened                       happenings
		peer, local, drop              bool
		netError, frameError, panicked bool
	}{
		{"peer", happenings{theirs(closeOf(1000)), ours(NormalClosure, "")}, true, false, false, false, false, false},
		{"peer, illegal", happenings{theirs(closeOf(1006))}, true, false, false, false, true, false},
		{"peer, then a reset", happenings{theirs(closeOf(1000)), end(connReset)}, true, false, false, true, false, false},
		{"ours", happenings{ours(NormalClosure, ""), theirs(closeOf(1000))}, false, true, false, false, false, false},
		{"ours, for a violation", happenings{violation, ours(ProtocolError, "")}, false, true, false, false, true, false},
		{"ours, for a panic", happenings{ours(InternalError, ""), panicking("boom")}, false, true, false, false, false, true},
		{"ours, at a limit that the library saw", happenings{ours(NormalClosure, ""), told(&limitError{ErrCloseIdle})}, false, true, false, true, false, false},
		{"ours, at a limit", happenings{ours(NormalClosure, ""), limit(cause.CloseIdle)}, false, true, false, false, false, false},
		{"EOF", happenings{end(io.EOF)}, false, false, true, false, false, false},
		{"EOF, and the library closed", happenings{end(io.EOF), told(connClosed)}, false, false, true, true, false, false},
		{"reset", happenings{end(connReset)}, false, false, true, true, false, false},
		{"timeout", happenings{ran(cause.ReadTimeout, ioTimeout), bare}, false, false, true, true, false, false},
		{"abort", happenings{aborted, because(cause.Aborted)}, false, false, true, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := aLink(t, tt.happened...).event(nil, false)
			if _, is := any(ev).(net.Error); is {
				t.Error("the event itself is a net.Error")
			}
			for _, err := range []error{ev, fmt.Errorf("reading: %w", ev)} {
				checkAs[*PeerClosed](t, err, tt.peer)
				checkAs[*LocalClosed](t, err, tt.local)
				checkAs[*Dropped](t, err, tt.drop)
				checkAs[CloseEvent](t, err, true)
				checkAs[net.Error](t, err, tt.netError)
				checkAs[*FrameError](t, err, tt.frameError)
				checkAs[*PanicError](t, err, tt.panicked)
				checkAs[*AbortedError](t, err, false)
			}
		})
	}
}

func checkAs[E error](t *testing.T, err error, want bool) {
	t.Helper()
	var target E
	if got := errors.As(err, &target); got != want {
		t.Errorf("errors.As(%v, %T) = %v, want %v", err, &target, got, want)
	}
}

// Whatever is known and whatever isn't: no nil gets into the tree, not even
// one that has a type.
func TestNoNilInAnyTree(t *testing.T) {
	parts := happenings{
		panicking("boom"), told(errApplication), because(cause.BareClose), limit(cause.CloseIdle),
		theirs(closeOf(1006)), violation, end(io.EOF), ran(cause.ReadTimeout, ioTimeout), ours(NormalClosure, ""),
	}
	for known := range 1 << len(parts) {
		happened := happenings{}
		for i, part := range parts {
			if known>>i&1 != 0 {
				happened = append(happened, part)
			}
		}
		happened = append(happened, aborted)
		ev := aLink(t, happened...).event(nil, known%2 == 0)
		checkNoNils(t, ev)
		if err := ev.End().Err; err != nil && err.Error() == "" {
			t.Errorf("%b: the cause says nothing: %#v", known, err)
		}
		if t.Failed() {
			return
		}
	}
}

func TestAnOpenConnectionHasNoEvent(t *testing.T) {
	l := aLink(t, ran(cause.ReadTimeout, ioTimeout), violation, told(errApplication))
	if ev := l.event(io.EOF, false); ev != nil {
		t.Errorf("the event is %v", ev)
	}
}

// The line holds what the library and the application say, and through them
// what the peer chose: it stays one line, and nothing hides in it.
func TestEventTextIsOneLine(t *testing.T) {
	tests := []struct {
		name string
		told error
		want string
	}{
		{"two errors", errors.Join(errApplication, io.EOF), "no such room; EOF"},
		{"the peer's reason as a library tells it", errors.New("close 1001: a\r\nlevel=error b"), "close 1001: a; level=error b"},
		{"control characters", errors.New("\x1b[2J\x00\x7f\t\u0085"), `\x1b[2J\x00\x7f\t\u0085`},
		{"characters that turn the text around", errors.New("a\u202eb"), `a\u202eb`},
		{"other line ends", errors.New("a\u2028b\vc"), `a\u2028b\vc`},
		{"not UTF-8", errors.New("a\xffb"), "a\uFFFDb"},
		{"any script", errors.New(`né 鍵 🔑 "\n"`), `né 鍵 🔑 "\n"`},
		{"a panic's value", &PanicError{Value: "a\nb"}, "panic: a; b"},
		{"a hidden error, without addresses", conceal(connClosed), "use of closed network connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := aLink(t, end(io.EOF)).event(tt.told, false).(*Dropped)
			got.Err = tt.told
			if want := "websocket connection dropped after 61s: " + tt.want; got.Error() != want {
				t.Errorf("\n got %q\nwant %q", got.Error(), want)
			}
		})
	}
	peer := aLink(t, theirs(closePayload(1001, "a\n\x1b\u202e\"")), ours(GoingAway, "")).event(nil, false)
	if want := `websocket closed by peer: 1001 going away "a\n\x1b\u202e\""`; peer.Error() != want {
		t.Errorf("\n got %s\nwant %s", peer, want)
	}
}

// Seconds, because that is how proxies and servers state their limits.
func TestDroppedAfter(t *testing.T) {
	tests := []struct {
		open time.Duration
		want string
	}{
		{0, "0s"},
		{400 * time.Microsecond, "0s"},
		{1600 * time.Microsecond, "2ms"},
		{999 * time.Millisecond, "999ms"},
		{time.Second, "1s"},
		{59600 * time.Millisecond, "60s"},
		{61 * time.Second, "61s"},
		{time.Hour, "3600s"},
	}
	for _, tt := range tests {
		ev := &Dropped{Ending{Duration: tt.open}}
		if want := "websocket connection dropped after " + tt.want; ev.Error() != want {
			t.Errorf("%v: %q, want %q", tt.open, ev, want)
		}
	}
}

// What a library that isn't guarded hides is nil, and not guessed.
func TestEventsOfAConnectionThatIsNotGuarded(t *testing.T) {
	tests := []struct {
		ev   CloseEvent
		want string
	}{
		{&PeerClosed{}, "websocket closed by peer"},
		{&LocalClosed{}, "websocket closed here, not answered"},
		{&Dropped{}, "websocket connection dropped after 0s"},
	}
	for _, tt := range tests {
		if got := tt.ev.Error(); got != tt.want || tt.ev.Code() != AbnormalClosure || tt.ev.Clean() {
			t.Errorf("%q, code %v, clean %v, want %q, 1006, false", got, tt.ev.Code(), tt.ev.Clean(), tt.want)
		}
	}
}

func TestEndingTimes(t *testing.T) {
	tests := []struct {
		name      string
		happened  happenings
		handshake time.Duration
	}{
		{"with a Close", happenings{theirs(nil)}, time.Second},
		{"without one", happenings{end(io.EOF)}, 0},
	}
	for _, tt := range tests {
		e := aLink(t, tt.happened...).event(nil, false).End()
		if e.Duration != 61*time.Second || e.Idle != time.Second || e.Handshake != tt.handshake {
			t.Errorf("%s: open for %v, idle for %v, closing for %v", tt.name, e.Duration, e.Idle, e.Handshake)
		}
	}
}

func TestAnswered(t *testing.T) {
	tests := []struct {
		name     string
		happened happenings
		want     bool
	}{
		{"both Closes", happenings{theirs(nil), ours(NoStatusReceived, "")}, true},
		{"both, the other way round", happenings{ours(NormalClosure, ""), theirs(nil)}, true},
		{"both, one illegal", happenings{theirs([]byte("a")), ours(ProtocolError, "")}, true},
		{"both, then an abort", happenings{theirs(nil), ours(NoStatusReceived, ""), aborted}, true},
		{"only theirs", happenings{theirs(nil)}, false},
		{"only ours", happenings{ours(NormalClosure, "")}, false},
		{"none", happenings{end(io.EOF)}, false},
	}
	for _, tt := range tests {
		e := aLink(t, tt.happened...).event(nil, false).End()
		if e.Answered() != tt.want {
			t.Errorf("%s: answered %v, want %v", tt.name, e.Answered(), tt.want)
		}
	}
}

func TestPrivateCodesGetTheirNames(t *testing.T) {
	tests := []struct {
		happened happenings
		want     string
	}{
		{happenings{theirs(closeOf(4001))}, "room full"},
		{happenings{ours(4001, "")}, "room full"},
		{happenings{theirs(closeOf(4002))}, ""},
		{happenings{theirs(closeOf(1000))}, ""}, // the registry has one
		{happenings{end(io.EOF)}, ""},
	}
	for _, tt := range tests {
		ev := aLink(t, tt.happened...).event(nil, false)
		if name := ev.end().guard.codeName(ev.Connection(), ev.Code()); name != tt.want {
			t.Errorf("%v: name %q, want %q", ev, name, tt.want)
		}
	}
}

// Nobody who got an event's End can change the event, nor the connection's
// other events.
func TestEndIsACopy(t *testing.T) {
	l := aLink(t, wanted(1006), ours(GoingAway, "ours"), theirs(closePayload(1001, "theirs")))
	l.needLabels().attrs = []slog.Attr{slog.String("user", "anna")}
	ev := l.event(nil, false)
	text := fmt.Sprint(ev, ev.Connection())

	e, r := ev.End(), l.machine().Record()
	if fmt.Sprint(e.ConnInfo, *e.Sent, *e.Received, *e.Intended) != fmt.Sprint(l.info(), outside(*r.Sent), outside(*r.Received), outside(*r.Intended)) {
		t.Errorf("End says %+v", e)
	}
	*e.Sent, *e.Received, *e.Intended = CloseFrame{}, CloseFrame{}, CloseFrame{}
	e.Attrs[0] = slog.String("user", "eve")
	ev.Connection().Attrs[0] = slog.String("user", "eve")
	opened := &Opened{l.info()}
	opened.Connection().Attrs[0] = slog.String("user", "eve")
	refused := &Refused{ConnInfo: l.info()}
	refused.Connection().Attrs[0] = slog.String("user", "eve")

	for _, ev := range []CloseEvent{ev, l.event(nil, false)} {
		if got := fmt.Sprint(ev, ev.Connection()); got != text {
			t.Errorf("\nbecame %s\n   was %s", got, text)
		}
	}
}

func TestEndOfNothingIsNil(t *testing.T) {
	if e := aLink(t, end(io.EOF)).event(nil, false).End(); e.Sent != nil || e.Received != nil || e.Intended != nil || e.Attrs != nil {
		t.Errorf("there was no Close, and End says %+v", e)
	}
}

// An event that is asked for while the handshake goes on doesn't say that no answer
// came: it may still come. Nor is that a fault yet, for the log.
func TestAnEventWhileTheHandshakeGoesOn(t *testing.T) {
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	l := g.newLink(t.Context(), ConnInfo{Role: Server, Guarded: true})
	l.phase = phaseOpen
	for _, tt := range []struct {
		name     string
		happened func(*link)
		want     string
		level    slog.Level
	}{
		{"our Close is out", ours(PolicyViolation, ""), "websocket closed here: 1008 policy violation, answer awaited", slog.LevelInfo},
		{"the peer is gone", end(io.EOF), "websocket closed here: 1008 policy violation, not answered: EOF", slog.LevelWarn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.happened(l)
			ev := l.event(nil, false)
			if got := ev.Error(); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if got := level(ev); got != tt.level {
				t.Errorf("level %v, want %v", got, tt.level)
			}
		})
	}
}

// An AbortedError names how many were aborted and what still runs, and is the
// context's error.
func TestAbortedError(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *AbortedError
		want string
	}{
		{"connections", &AbortedError{3, 0, context.DeadlineExceeded}, "closeguard: aborted 3 connections: context deadline exceeded"},
		{"a handler", &AbortedError{0, 2, context.DeadlineExceeded}, "closeguard: aborted 0 connections, 2 handlers still running: context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !errors.Is(tt.err, context.DeadlineExceeded) || errors.Is(tt.err, context.Canceled) {
				t.Error("it doesn't unwrap to the context's error alone")
			}
		})
	}
}
