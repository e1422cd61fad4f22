package coder

import (
	"net/http"
	"runtime"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/coder/websocket"
)

// Accept is the library's function of that name for a guarded connection; opts
// may be nil. On error the request has been answered. After the guard's
// Shutdown has begun it answers 503 and returns closeguard.ErrShutdown.
func Accept(guard *closeguard.Guard, w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*Conn, error) {
	switch {
	case guard == nil:
		return nil, driver.NilArgument("coder.Accept", "guard")
	case w == nil:
		return nil, driver.NilArgument("coder.Accept", "w")
	case r == nil:
		return nil, driver.NilArgument("coder.Accept", "r")
	}
	conn, _, err := accept(guard, w, r, opts)
	return conn, err
}

// accept also returns the request that leads to the connection.
func accept(guard *closeguard.Guard, w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (conn *Conn, guarded *http.Request, err error) {
	err = guard.Driver().Upgrade(w, r, func(w http.ResponseWriter, r *http.Request) error {
		guarded = r
		ws, err := websocket.Accept(w, r, opts)
		if err != nil {
			return err
		}
		conn, err = Wrap(guard, r, ws)
		return err
	})
	return conn, guarded, err
}

// Handler accepts each request, runs f for the connection and closes it as f's return
// says: nil 1000; a closeguard.Error its code and reason, also as the cause of a
// context of whose end f's error tells; a timeout, a context's end, or net.ErrClosed
// after f's own CloseNow 1001, or Options.BareClose if that has a code; any other
// error, and a panic, 1011 with a fixed text. After a frame of the peer's that broke a
// rule of framing it is 1002, but for a closeguard.Error and a panic. The close event
// is delivered when f has returned.
//
// While f runs, CloseNow only wakes the reader, so that the usual deferred call
// does no harm; Abort acts at once. The opts may be nil; if another argument
// is, requests are answered with 500.
func Handler(guard *closeguard.Guard, opts *websocket.AcceptOptions, f func(r *http.Request, c *Conn) error) http.Handler {
	var missing error
	switch {
	case guard == nil:
		missing = driver.NilArgument("coder.Handler", "guard")
	case f == nil:
		missing = driver.NilArgument("coder.Handler", "f")
	}
	if missing != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, missing.Error(), http.StatusInternalServerError)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, r, err := accept(guard, w, r, opts)
		if err != nil {
			return // the request has been answered
		}
		defer c.Conn.CloseNow() // the guard has closed it; this frees the library's side
		c.guard.Driver().Serve(func() error { return f(r, c) })
	})
}

// Wrap makes a Conn of the library's connection, which was accepted for r. If
// the guard guards it, as below Guard.Middleware, nothing else is needed. If it
// isn't guarded, the Conn works in reduced mode: what goes out through it is
// validated, and errors are close events with what the library told; there is
// no promise of delivery, no limit, and Shutdown doesn't close it. A request
// that another guard guards is an error, and so is one whose connection was
// wrapped already.
func Wrap(guard *closeguard.Guard, r *http.Request, ws *websocket.Conn) (*Conn, error) {
	switch {
	case guard == nil:
		return nil, driver.NilArgument("coder.Wrap", "guard")
	case r == nil:
		return nil, driver.NilArgument("coder.Wrap", "r")
	case ws == nil:
		return nil, driver.NilArgument("coder.Wrap", "ws")
	}
	return wrap(guard.Driver(), r, ws)
}

func wrap(guard driver.Guard, r *http.Request, ws *websocket.Conn) (*Conn, error) {
	nc, err := guard.Claim(r.Context())
	if err != nil {
		return nil, err
	}
	if nc == nil {
		nc = guard.Witness(r.Context(), driver.About{Request: r, Subprotocol: ws.Subprotocol()})
	} else {
		collectable(ws)
	}
	return &Conn{Conn: ws, guard: nc.(*closeguard.Conn)}, nil
}

// FromRequest is Wrap for a connection that was accepted for r below
// Guard.Middleware: it finds the guard in the request's context. If there is none,
// or it doesn't guard the connection, the error says what to do about it.
func FromRequest(r *http.Request, ws *websocket.Conn) (*Conn, error) {
	switch {
	case r == nil:
		return nil, driver.NilArgument("coder.FromRequest", "r")
	case ws == nil:
		return nil, driver.NilArgument("coder.FromRequest", "ws")
	}
	conn := closeguard.FromContext(r.Context()).Conn()
	if conn == nil { // or the handler went round the guard
		return nil, driver.Unguarded("coder.FromRequest", r)
	}
	return wrap(conn.Driver().Guard(), r, ws)
}

// collectable lets the garbage collector have the library's connection when the
// program has dropped it: the guard then closes it. The library's finalizer
// prevents that, and never runs, because the connection points to itself.
func collectable(ws *websocket.Conn) { runtime.SetFinalizer(ws, nil) }
