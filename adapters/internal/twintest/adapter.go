package twintest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// A Conn is an adapter's connection, as far as adapters have the same methods.
type Conn interface {
	CloseWith(ctx context.Context, code closeguard.Code, reason string) error
	CloseRead(ctx context.Context) context.Context
	Abort()
	Done() <-chan struct{}
	Event() closeguard.CloseEvent
	Guarded() bool
	SetReadLimit(n int64)
	Translate(err error) error
}

// An Adapter is what the tests need to know of an adapter, whose connections are C, and of
// its library, whose connections are L. The library compresses where the peer does.
type Adapter[C Conn, L any] struct {
	Name     string // of the package
	OpenName string // of Open
	Library  Library[L]

	// The adapter's functions. Dial gets a client that trusts the server, or none.
	Open        func(g *closeguard.Guard, w http.ResponseWriter, r *http.Request) (C, error)
	Handler     func(g *closeguard.Guard, f func(*http.Request, C) error) http.Handler
	Wrap        func(g *closeguard.Guard, r *http.Request, ws L) (C, error)
	FromRequest func(r *http.Request, ws L) (C, error)
	Dial        func(ctx context.Context, g *closeguard.Guard, url string, client *http.Client) (C, *http.Response, error)

	// The connection's methods, as a program uses them that has no context to give.
	Read      func(c C) (message string, err error)
	ReadJSON  func(c C, v any) error
	Write     func(c C, message string) error // a text
	WriteJSON func(c C, v any) error
	WriteRaw  func(c C) error       // a message that isn't compressed, of some bytes
	Close     func(c C)             // the call that programs defer: it closes TCP
	SendClose func(c C) (err error) // the library's way to close with 1000 "mine", without waiting for the answer
	Within    func(c C) (library L) // the library's connection
	Senders   map[string]Sender[C]  // all ways to send a Close, but CloseWith
	Readings  []Reading[C]          // all methods that read
	Writings  []Writing[C]          // all methods that write
	Messages  []BadMessage[C]       // what spoils one message and no more
	Failures  []Failure[C]          // calls that fail by themselves

	// What Close comes to, in a word each.
	BareClose    Ending[C]       // when somebody reads
	BareCloses   []BlockedEnd[C] // when a writer is stuck
	OwnReturns   []Return[C]     // what else a handler may return
	WrapTwice    string          // the error of a second Wrap, "" where that is none
	EchoesReason bool            // the library's answer to a Close has its reason
	ShowsAnswer  bool            // the library tells of the answer to a Close of its own
}

// A Library is how a program uses the library itself.
type Library[L any] struct {
	Open         func(w http.ResponseWriter, r *http.Request) (L, error)
	Read         func(ws L) error
	Close        func(ws L)
	PeerCode     func(err error) int // the code of the peer's Close, any other number if err tells of none
	TooBig       error               // what reading a message over the limit is
	BadHandshake error               // what dialling a server is that doesn't upgrade, nil where that has no name
	NotUpgraded  int                 // how it answers a request that is no upgrade
}

// Run runs the tests, each as a subtest.
func (a Adapter[C, L]) Run(t *testing.T) {
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{
		{"HandlerAnswersNilArgumentsWith500", a.handlerAnswersNilArgumentsWith500},
		{"AFailedOpenHasBeenAnswered", a.aFailedOpenHasBeenAnswered},
		{"OpenAfterShutdown", a.openAfterShutdown},
		{"Wrap", a.wrap},
		{"FromRequestWithoutAGuard", a.fromRequestWithoutAGuard},
		{"Dial", a.dial},
		{"DialRefused", a.dialRefused},
		{"PlainCodeCanTellWhoClosed", a.plainCodeCanTellWhoClosed},

		{"TerminalReadErrorsAreCloseEvents", a.terminalReadErrorsAreCloseEvents},
		{"ErrorsOfOneMessageStayWhatTheyAre", a.errorsOfOneMessageStayWhatTheyAre},
		{"Translate", a.translate},
		{"TerminalWriteErrorsAreCloseEvents", a.terminalWriteErrorsAreCloseEvents},
		{"ABlockedWriteReturnsTheEvent", a.aBlockedWriteReturnsTheEvent},
		{"AnIllegalCloseIsAnError", a.anIllegalCloseIsAnError},
		{"ErrorsOfOneCallStayWhatTheyAre", a.errorsOfOneCallStayWhatTheyAre},
		{"AValueWithoutJSONBeforeAClose", a.aValueWithoutJSONBeforeAClose},
		{"ACallAfterTheEnd", a.aCallAfterTheEnd},
		{"TheCauseOfCloseReadIsTheEvent", a.theCauseOfCloseReadIsTheEvent},
		{"CloseReadAndADataMessage", a.closeReadAndADataMessage},
		{"CloseReadAndTheEndOfItsParent", a.closeReadAndTheEndOfItsParent},
		{"CloseReadAnswersPings", a.closeReadAnswersPings},

		{"CloseWith", a.closeWith},
		{"CloseWithReturnsTheEvent", a.closeWithReturnsTheEvent},
		{"CloseWithAndTheEndOfItsContext", a.closeWithAndTheEndOfItsContext},
		{"ASecondCloseWithWaits", a.aSecondCloseWithWaits},
		{"ClosingAfterA1009DeliversIt", a.closingAfterA1009DeliversIt},
		{"CloseInAHandlerIsOnlyAMark", a.closeInAHandlerIsOnlyAMark},
		{"Abort", a.abort},
		{"WhatAHandlerReturnsChoosesTheClose", a.whatAHandlerReturnsChoosesTheClose},
		{"APanicGoesOn", a.aPanicGoesOn},
		{"WhatAHandlerReturnsAfterTheEnd", a.whatAHandlerReturnsAfterTheEnd},
		{"ReturningTheEventEndsCleanly", a.returningTheEventEndsCleanly},

		{"ReducedModeTellsWhatTheLibraryTells", a.reducedModeTellsWhatTheLibraryTells},
		{"ReducedModeRefusesAnIllegalClose", a.reducedModeRefusesAnIllegalClose},
	} {
		t.Run(a.Name+"/"+tt.name, tt.test)
	}
}

// read reads a message that doesn't matter.
func (a Adapter[C, L]) read(c C) error {
	_, err := a.Read(c)
	return err
}

// Kind is an event's type and code, "open" for none: "peer closed 1001", "local closed
// 4000", "dropped".
func Kind(err error) string {
	var ev closeguard.CloseEvent
	if !errors.As(err, &ev) {
		return "open"
	}
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return fmt.Sprint("peer closed ", int(ev.Code()))
	case *closeguard.LocalClosed:
		return fmt.Sprint("local closed ", int(ev.Code()))
	default:
		return "dropped"
	}
}

// ExpectEvent checks that err is itself a close event of that kind.
func ExpectEvent(t testing.TB, err error, want string) {
	t.Helper()
	if _, ok := err.(closeguard.CloseEvent); !ok || Kind(err) != want {
		t.Errorf("got %T %v, want the event %s", err, err, want)
	}
}

// ExpectEcho sends a message each way and expects no other frame.
func (a Adapter[C, L]) ExpectEcho(t testing.TB, c C, p *Peer) {
	t.Helper()
	p.Send(Frame(0x81, "ping?"))
	if message, err := a.Read(c); err != nil || message != "ping?" {
		t.Errorf("read %q, %v", message, err)
	}
	if err := a.Write(c, "pong!"); err != nil {
		t.Error(err)
	}
	p.Expect("pong!")
}

// In reports whether there is a T in err's tree.
func In[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
