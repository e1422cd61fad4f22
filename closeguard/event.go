package closeguard

import (
	"context"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
)

// Event is something that an [Observer] is told: *[Opened], *[Refused],
// *[PeerClosed], *[LocalClosed], *[Dropped], *[Progress] or, from a [Sample], *[More], and
// nothing else. Events are values of their own: nobody changes one after it was handed
// out.
type Event interface {
	slog.LogValuer

	// Connection tells which connection the event is about.
	Connection() ConnInfo

	event()
}

// CloseEvent is the end of a connection: *[PeerClosed], *[LocalClosed] or
// *[Dropped], and nothing else. It is an error, so that a library's terminal
// error can be replaced by it; what the library said is in its tree.
type CloseEvent interface {
	Event
	error

	// Code returns the connection's close code: of a PeerClosed what was received,
	// of a LocalClosed what was sent, of a Dropped 1006.
	Code() Code

	// Kind returns "peer_closed", "local_closed" or "dropped", for a log or a
	// metric's label.
	Kind() string

	// Cause returns why the connection ended, in one word.
	Cause() cause.Cause

	// Clean reports whether both Close frames crossed, complete and legal, and
	// nothing was aborted.
	Clean() bool

	// End returns a copy of all that is known.
	End() Ending

	end() *Ending
}

// Observer is told what happens to connections: once per event, in order per
// connection, outside of all locks and of all calls of the library. Different
// connections call it at the same time.
//
// An Observer that holds something back, as a [Sample] does, has a method
//
//	Flush(ctx context.Context)
//
// too, which hands it on. [Guard.Shutdown] and [Guard.Close] call it when all events are
// told, and wait for it. An observer that stands before such a one passes Flush on.
type Observer interface {
	// Observe is called on a goroutine of the guard's. The context is the
	// request's, but never cancelled; [context.Background] if there was no
	// request. A panic is caught and goes to Options.ErrorLog.
	Observe(ctx context.Context, ev Event)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(ctx context.Context, ev Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, ev Event) { f(ctx, ev) }

// ConnInfo says which connection an event is about. Remote, Route and Path
// come from the opening handshake; Path is what the peer chose, and as
// untrusted as that. So is what was offered, of which at most 8 subprotocols are
// kept, each cut at 64 bytes.
type ConnInfo struct {
	Number      uint64      // counts the guard's connections from 1 on; 0: it never opened
	Role        Role        // ours
	Guarded     bool        // false: it never opened, or only what a library told is known
	Remote      string      // the peer's address, see Options.Remote
	Route       string      // the pattern that the request matched, see Options.Route
	Path        string      // of the request's URL, cut at 256 bytes
	Subprotocol string      // agreed on in the opening handshake
	Offered     []string    // the subprotocols that the client offered a server, if none was agreed on
	Attrs       []slog.Attr // from Options.Attrs and Handle.SetAttrs
	Keys        []string    // from Handle.SetKeys; not in log lines
}

// Opened says that an opening handshake has succeeded: the whole head of a 101
// was seen. Whether it left, the guard doesn't know where it isn't the last to see it:
// a library may leave the 101 to net/http, which hides that its write failed, and a
// middleware above the guard may hold it back, as some compressing ones do. So put the
// guard's outermost (docs/frameworks.md).
type Opened struct{ ConnInfo }

// Refused says that a request for a WebSocket got another answer than 101.
type Refused struct {
	ConnInfo

	Status int // the answer's status code; 0: the connection was closed without one

	// Err is ErrShutdown if the guard refused, and says what kept the WebSocket from
	// opening if that is known, such as who hides http.Hijacker. nil: the program
	// refused.
	Err error
}

// Progress says how far a shutdown is. It is told once a second while a
// [Guard.Shutdown] waits.
type Progress struct {
	Open   int    // connections that have not ended
	Report Report // of those that have
}

// More says that more events came than a [Sample] passed on, and how many: "4211 more
// like this". It is about no connection, so its Connection is the zero ConnInfo.
type More struct {
	Kind   string        // "refused" of Refused, else what CloseEvent.Kind returns
	Cause  cause.Cause   // of endings; cause.Shutdown of requests that the guard refused
	Code   Code          // of endings; 0: several that have no name in the registry
	Status int           // of refused requests; 0: closed without an answer, or several that have no name
	Count  uint64        // how many were not passed on
	Over   time.Duration // the time in which they came

	level slog.Level // the highest of theirs
}

// Ending is what is known of a connection that has ended: an event that is
// returned as an error may know less than the observer's, which is complete.
type Ending struct {
	ConnInfo

	Duration  time.Duration // from the 101 to the end
	Idle      time.Duration // since the peer's last byte
	Handshake time.Duration // from the first Close to the end of TCP; 0: there was none

	// The Close frames that went over the wire; nil: none did.
	Sent, Received *CloseFrame

	// Intended is a Close that we began and that was illegal, so that Sent is
	// another, or that could not be sent at all. nil: there was none.
	Intended *CloseFrame

	// Traffic is what went either way, if Options.CountTraffic is on; else nil.
	Traffic *Traffic

	// Err tells the cause in full: the library's error, the transport's, the
	// application's, one of the guard's own, a *PanicError, or several of them.
	// nil: a Close frame says it all.
	Err error

	guard   *Guard // whose connection it was
	answer  Code   // what an illegal Received is answered with
	cause   cause.Cause
	illegal bool // Received's payload was illegal
	misfit  bool // Intended was illegal
	aborted bool
	late    bool // the error answers a call that began after the end
	ongoing bool // the closing handshake goes on
}

// Cause returns why the connection ended: the first cause that happened. Err has
// the others, too. It is [cause.None] where the Close frames say it all.
func (e *Ending) Cause() cause.Cause { return e.cause }

// Answered reports whether both Close frames crossed.
func (e *Ending) Answered() bool { return e.Sent != nil && e.Received != nil }

// Clean reports whether both Close frames crossed, complete and legal, and
// nothing was aborted.
func (e *Ending) Clean() bool { return e.Answered() && !e.illegal && !e.aborted }

// Unwrap returns Err.
func (e *Ending) Unwrap() error { return e.Err }

// End returns a copy of all that is known.
func (e *Ending) End() Ending {
	c := *e
	c.ConnInfo = c.ConnInfo.clone()
	c.Sent, c.Received, c.Intended, c.Traffic = clone(e.Sent), clone(e.Received), clone(e.Intended), clone(e.Traffic)
	return c
}

func (e *Ending) end() *Ending { return e }

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// Connection returns a copy. It is the method of [Event] for all that have a ConnInfo.
func (i ConnInfo) Connection() ConnInfo { return i.clone() }

func (i ConnInfo) clone() ConnInfo {
	i.Attrs, i.Offered, i.Keys = slices.Clone(i.Attrs), slices.Clone(i.Offered), slices.Clone(i.Keys)
	return i
}

// PeerClosed is the end of a connection whose peer sent the first Close.
type PeerClosed struct{ Ending }

// LocalClosed is the end of a connection on which our Close was the first.
type LocalClosed struct{ Ending }

// Dropped is the end of a connection on which TCP ended before any Close was
// sent or received. If Sent is set, the library wrote that Close to a peer that had
// ended its stream, and may still read.
type Dropped struct{ Ending }

var (
	_ Event      = (*Opened)(nil)
	_ Event      = (*Refused)(nil)
	_ Event      = (*Progress)(nil)
	_ Event      = (*More)(nil)
	_ CloseEvent = (*PeerClosed)(nil)
	_ CloseEvent = (*LocalClosed)(nil)
	_ CloseEvent = (*Dropped)(nil)
)

func (*Opened) event()   {}
func (*Refused) event()  {}
func (*Progress) event() {}
func (*More) event()     {}
func (*Ending) event()   {}
func (*Ending) coded()   {}

// Connection returns the zero ConnInfo: a shutdown is about all of them.
func (p *Progress) Connection() ConnInfo { return ConnInfo{} }

// Connection returns the zero ConnInfo: a sum is about many.
func (m *More) Connection() ConnInfo { return ConnInfo{} }

// Code returns the code that was received: 1005 for an empty Close; for one that must
// not be sent what it is answered with, 1007 if the reason is not UTF-8, else 1002.
func (e *PeerClosed) Code() Code {
	switch {
	case e.illegal:
		return e.answer
	case e.Received == nil:
		return AbnormalClosure
	}
	return e.Received.Code
}

// Code returns the code that was sent; 1006 where a library that isn't guarded
// doesn't tell.
func (e *LocalClosed) Code() Code {
	if e.Sent == nil {
		return AbnormalClosure
	}
	return e.Sent.Code
}

// Code returns 1006.
func (e *Dropped) Code() Code { return AbnormalClosure }

// Kind returns "peer_closed".
func (*PeerClosed) Kind() string { return "peer_closed" }

// Kind returns "local_closed".
func (*LocalClosed) Kind() string { return "local_closed" }

// Kind returns "dropped".
func (*Dropped) Kind() string { return "dropped" }

// Is matches net.ErrClosed if the call began after the end.
func (e *PeerClosed) Is(target error) bool { return e.late && target == net.ErrClosed }

// Is matches net.ErrClosed.
func (e *LocalClosed) Is(target error) bool { return target == net.ErrClosed }

// Is matches net.ErrClosed if we aborted the connection or the call began
// after the end.
func (e *Dropped) Is(target error) bool {
	return (e.aborted || e.late) && target == net.ErrClosed
}

// Error returns one line: code, reason, and the cause if there is one. What the peer
// chose is quoted.
func (e *PeerClosed) Error() string {
	s := "websocket closed by peer"
	if e.Received != nil {
		s += ": " + e.frameText(*e.Received)
	}
	return s + e.tail()
}

// Error returns one line: code, reason, whether it was answered or may still be,
// and the cause if there is one.
func (e *LocalClosed) Error() string {
	s := "websocket closed here"
	if e.Sent != nil {
		s += ": " + e.frameText(*e.Sent)
	}
	switch {
	case e.Received != nil:
	case e.ongoing:
		s += ", answer awaited"
	default:
		s += ", not answered"
	}
	return s + e.tail()
}

// Error returns one line: after how long, and the cause.
func (e *Dropped) Error() string {
	return "websocket connection dropped after " + span(e.Duration) + e.tail()
}

// frameText is a frame as its String, with the program's name of the code if it has one.
func (e *Ending) frameText(f CloseFrame) string {
	name := e.name(f.Code)
	if name == f.Code.Name() {
		return f.String()
	}
	return f.named(strconv.Itoa(int(f.Code)) + " " + printable(name))
}

func (e *Ending) tail() string {
	var b strings.Builder
	if e.Intended != nil {
		b.WriteString(", intended ")
		b.WriteString(e.frameText(*e.Intended))
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(printable(oneLine(e.Err)))
	}
	return b.String()
}

// printable escapes what would break a line or fool a terminal: what a library
// says may hold what the peer chose.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// span rounds a duration to what a person compares with a proxy's limit: 61s.
func span(d time.Duration) string {
	if d >= time.Second {
		return strconv.FormatInt(int64(d.Round(time.Second)/time.Second), 10) + "s"
	}
	return d.Round(time.Millisecond).String()
}

// causeText is an error in a few words: of a failed system call only what
// went wrong, without the addresses, which the event has anyway. Of a timeout that
// is not enough: it says whether it was a Read's or a Write's.
func causeText(err error) string {
	if op, ok := err.(*net.OpError); ok { //nolint:errorlint // only the outermost: what wraps it says more
		if op.Timeout() {
			return op.Op + ": " + causeText(op.Err)
		}
		err = op.Err
	}
	if sys, ok := err.(*os.SyscallError); ok { //nolint:errorlint // as above
		err = sys.Err
	}
	return err.Error()
}
