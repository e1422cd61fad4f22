package closetest

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
)

// An Adapter is what [TestAdapter] has to know of an adapter between closeguard and a
// WebSocket library.
type Adapter struct {
	// Handler returns the adapter's handler for g: it accepts a request, runs f for the
	// connection and closes it as f's return says, as driver.Conn.Serve does.
	Handler func(g *closeguard.Guard, f func(c Conn) error) http.Handler

	// PeerCode returns the close code of the library's own close error in err's tree, by
	// the library's own means, and 0 or less if there is none. nil: the library has no
	// such error, and that is not checked.
	PeerCode func(err error) int

	// TooBig is what errors.Is finds in the library's error for a message over the read
	// limit. nil: the library has no such limit, and that is not checked.
	TooBig error
}

// A Conn is an adapter's connection in the terms of [TestAdapter].
type Conn interface {
	// ReadMessage reads a whole message.
	ReadMessage() ([]byte, error)

	// WriteMessage writes a whole text message.
	WriteMessage(p []byte) error

	// SetReadLimit makes messages of more than n bytes an error. It is called only if
	// Adapter.TooBig is set.
	SetReadLimit(n int64)

	// Close is what programs with this library defer: the call that closes TCP without a
	// Close frame.
	Close() error

	// The rest is the adapter's, and means what it means for a *closeguard.Conn.

	CloseWith(ctx context.Context, code closeguard.Code, reason string) error
	Abort()
	Event() closeguard.CloseEvent
	Done() <-chan struct{}

	// Guarded reports whether the guard sees the connection on the wire.
	Guarded() bool
}

// TestAdapter checks that an adapter keeps what closeguard promises, each promise in a
// subtest with its name: terminal errors are events and keep the library's error,
// net.ErrClosed is matched where it is true, an illegal Close is refused and the
// connection goes on, the handler's return or panic chooses the Close, limits end a
// silent peer, a cut message is an error, and each connection yields one event.
//
// Each subtest runs in a synctest bubble, over connections in memory, with peers that
// write frames by hand: it takes no time, and what hangs is seen at once. The library has
// to bear that: its goroutines are made per connection, and none waits for a mutex that
// another one holds over I/O.
func TestAdapter(t *testing.T, a Adapter) {
	t.Helper()
	if a.Handler == nil {
		t.Fatal("closetest: TestAdapter: Adapter.Handler is nil")
	}
	for _, c := range promisesOf(a) {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.check(t, a) })
		})
	}
}

// A promise is what every adapter keeps.
type promise struct {
	name  string
	check func(t testing.TB, a Adapter)
	about func(a Adapter) bool // reports whether the library has what it is about; nil: every one
}

// promisesOf are those that an adapter can keep.
func promisesOf(a Adapter) []promise {
	return slices.DeleteFunc(slices.Clone(promises), func(p promise) bool { return p.about != nil && !p.about(a) })
}

var promises = []promise{
	{name: "the connection is guarded", check: guardedOnTheWire},
	{name: "terminal errors are events", check: terminalErrorsAreEvents},
	{name: "writing after the end is the event too", check: writesAfterTheEnd},
	{name: "the library's close error stays in the tree", check: peerCodeStays, about: func(a Adapter) bool { return a.PeerCode != nil }},
	{name: "the library's limit error stays in the tree", check: tooBigStays, about: func(a Adapter) bool { return a.TooBig != nil }},
	{name: "net.ErrClosed only where we closed", check: closedTruth},
	{name: "a broken rule of framing ends with 1002", check: violationsEnd},
	{name: "an illegal close is refused before sending", check: illegalIsRefused},
	{name: "a refused close leaves the connection usable", check: refusedLeavesUsable},
	{name: "CloseWith waits for the handshake", check: closeWithWaits},
	{name: "CloseWith sends one close", check: closeWithOnce},
	{name: "CloseWith obeys its context", check: closeWithContext},
	{name: "a silent peer ends at the limit", check: limitReached},
	{name: "Abort sends nothing", check: abortSendsNothing},
	{name: "the handler's return chooses the close", check: returnChooses},
	{name: "a panic is told and goes on", check: panicGoesOn},
	{name: "a deferred Close is a mark", check: deferredClose},
	{name: "a cut message is not a message", check: cutMessage},
	{name: "Event and Done tell the end", check: eventAndDone},
	{name: "one event for each connection", check: oneEvent},
	{name: "the event waits for the handler", check: eventWaits},
	{name: "a shutdown reaches the connection", check: shutdownReaches},
}
