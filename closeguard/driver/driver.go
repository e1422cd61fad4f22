// Package driver is what an adapter of a WebSocket library is made of, as
// database/sql/driver is beside database/sql. Programs have no use for it; the
// adapters for gorilla/websocket and coder/websocket are examples.
//
// An adapter gets at it by two doors: closeguard.Guard.Driver and
// closeguard.Conn.Driver. Where a method returns a net.Conn, it is a
// *closeguard.Conn: this package doesn't know that one.
//
// closetest.TestAdapter checks whether an adapter keeps its promises.
package driver

import (
	"context"
	"net"
	"net/http"
)

// Guard is what an adapter asks of a guard. All methods may be called at the same
// time.
type Guard interface {
	// Upgrade runs one function under the guard as the guard's Middleware runs a
	// handler, and returns its error. If the guard refuses the request, it
	// answers it and do doesn't run: the error is closeguard.ErrShutdown, or says
	// that another guard guards the request already. It is what an adapter's
	// Upgrade or Accept is made of.
	Upgrade(w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request) error) error

	// Claim returns the guarded connection of the request that ctx comes from,
	// for a library that doesn't show its net.Conn; nil if the request is not
	// below the guard. Each connection can be claimed once: a second claim is an
	// error, and so is one of another guard's or before the 101.
	Claim(ctx context.Context) (net.Conn, error)

	// Guarded returns the guarded connection in nc or below it, by NetConn
	// methods; nil if there is none. That another guard guards it is an error.
	Guarded(nc net.Conn) (net.Conn, error)

	// WrapHandshake guards a client's connection on which the opening handshake
	// is still to come: the guard begins its work behind the whole head of a 101,
	// and does nothing if another answer comes. A proxy's answer to CONNECT is
	// passed over.
	WrapHandshake(nc net.Conn) (net.Conn, error)

	// Witness returns a connection that the guard doesn't see on the wire, for
	// one that was opened without it: the adapter tells what the library told, by
	// Sent, Received, Ended, Closed and Alive, and nothing is guessed. It yields
	// one close event in which whatever the library hides is nil. There is no
	// promise of delivery, no limit and no repair, and the net.Conn can't be read
	// or written. The context is for the observers.
	Witness(ctx context.Context, about About) net.Conn
}

// About says which connection a witness is about.
type About struct {
	// Request is the one that became the connection, if the adapter has it: what it
	// says, and what Options say of it, is told as of a guarded connection.
	Request *http.Request

	Remote      string // the peer's address, where there is no Request
	Subprotocol string // agreed on in the opening handshake
}

// Conn is what an adapter asks of a connection and tells it. All methods may be
// called at the same time.
type Conn interface {
	// Guarded reports whether the connection is guarded on the wire, and not a
	// Witness.
	Guarded() bool

	// Guard returns the guard of the connection.
	Guard() Guard

	// Begin begins a call of the library. The ctx is the one that the library is
	// given and closes the connection for when it ends; nil if it takes none. The
	// guard makes up no Close then: if the context's cause is a closeguard.Error, that
	// is sent; else the program has a second in which it can still send one.
	Begin(ctx context.Context) Call

	// CheckClose reads the payload of a Close that the program wants to send. The
	// error is a *closeguard.FrameError if it must not be sent.
	CheckClose(payload []byte) (code int, reason string, err error)

	// Serve runs a handler for the connection and closes it as the handler's
	// return says: nil 1000; a closeguard.Error its frame, also if it is the cause of
	// the end of a context, a call's or the request's, that the error tells of; a
	// timeout, a context's end, or net.ErrClosed after a Close of its own 1001, or
	// Options.BareClose if that has a code; any other error, and a panic, which goes
	// on, 1011 with a fixed text. After a frame of the peer's that broke a rule of
	// framing it is 1002 but for a closeguard.Error and a panic. While it runs, Close
	// of the net.Conn only wakes the library and marks the connection, because every
	// handler defers it; Abort acts at once.
	//
	// If the connection ended before, the handler's error is joined to the cause.
	// The close event is delivered when the connection has ended and the handler
	// has returned. Serve does not wait for the closing handshake.
	Serve(handler func() error)

	// StrictEOF makes Read return an error that is neither io.EOF nor
	// io.ErrUnexpectedEOF where the peer's stream ends inside a message. It is for
	// a library that takes those for the end of the message, as coder/websocket
	// does, and to be called before the first Read. The middleware finds out by
	// itself.
	StrictEOF()

	// Extensions says what the opening handshake agreed on, in the words of its
	// Sec-WebSocket-Extensions header. A connection of Guard.WrapConn doesn't
	// know, and judges no reserved bits of data frames. It is to be called before
	// the first Read and Write.
	Extensions(header string)

	// CloseNow closes TCP at once; what was sent before arrives. No Close frame is
	// sent, but if one was, by either side, the closing handshake is finished in
	// the background. Under Serve it only wakes the reader, as Close does.
	CloseNow()

	// Abandon does what the garbage collector's finding the connection would do:
	// it closes it with Options.BareClose and the cause ErrAbandoned. It is for
	// an adapter whose library keeps the connection alive. It doesn't block.
	Abandon()

	// Sent tells that the library has sent a Close, Received that the peer's
	// came, which ends the connection. Both are for a Witness, as the following.
	Sent(code int, reason string)
	Received(code int, reason string)

	// Ended tells that the library can't go on because of err, Closed that the
	// program has closed TCP, Alive that a message came.
	Ended(err error)
	Closed()
	Alive()
}

// Call is one call of a library's method by an adapter, from Conn.Begin to End or
// Keep, of which there has to be one. It turns the library's terminal errors into
// close events.
type Call interface {
	// Keep ends the call with an error that the program shall see as it is, such
	// as one that concerns one message only.
	Keep(err error) error

	// End ends the call and returns the error that the program shall see: nil for
	// nil; on a connection that has ended, the close event with err in its tree;
	// else err. With telling, err says more about the cause than the Close frames
	// do, and the observers get to know it too if it came with the end or a broken
	// rule.
	End(err error, telling bool) error
}
