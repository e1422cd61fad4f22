package gorilla

import (
	"context"
	"net/http"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/gorilla/websocket"
)

// Upgrade is the Upgrader's method of that name for a guarded connection; a nil
// upgrader is one with all defaults. On error the request has been answered. After
// the guard's Shutdown has begun it answers 503 and returns closeguard.ErrShutdown.
func Upgrade(guard *closeguard.Guard, upgrader *websocket.Upgrader, w http.ResponseWriter, r *http.Request, header http.Header) (*Conn, error) {
	switch {
	case guard == nil:
		return nil, driver.NilArgument("gorilla.Upgrade", "guard")
	case w == nil:
		return nil, driver.NilArgument("gorilla.Upgrade", "w")
	case r == nil:
		return nil, driver.NilArgument("gorilla.Upgrade", "r")
	}
	conn, _, err := upgrade(guard, orDefault(upgrader), w, r, header)
	return conn, err
}

func orDefault(upgrader *websocket.Upgrader) *websocket.Upgrader {
	if upgrader == nil {
		return new(websocket.Upgrader)
	}
	return upgrader
}

// upgrade also returns the request that leads to the connection.
func upgrade(guard *closeguard.Guard, upgrader *websocket.Upgrader, w http.ResponseWriter, r *http.Request, header http.Header) (conn *Conn, guarded *http.Request, err error) {
	err = guard.Driver().Upgrade(w, r, func(w http.ResponseWriter, r *http.Request) error {
		guarded = r
		ws, err := upgrader.Upgrade(w, r, header)
		if err != nil {
			return err
		}
		conn, err = Wrap(guard, ws)
		return err
	})
	return conn, guarded, err
}

// Handler upgrades each request, runs f for the connection and closes it as f's return
// says: nil 1000; a closeguard.Error its code and reason, also as the cause of a
// context of whose end f's error tells; a timeout, a context's end, or net.ErrClosed
// after f's own Close 1001, or Options.BareClose if that has a code; any other error,
// and a panic, 1011 with a fixed text. After a frame of the peer's that broke a rule
// of framing it is 1002, but for a closeguard.Error and a panic. The close event is
// delivered when f has returned.
//
// While f runs, Close only wakes the reader, so that the usual deferred call
// does no harm; Abort acts at once. The upgrader may be nil; if another argument
// is, requests are answered with 500.
func Handler(guard *closeguard.Guard, upgrader *websocket.Upgrader, f func(r *http.Request, c *Conn) error) http.Handler {
	var missing error
	switch {
	case guard == nil:
		missing = driver.NilArgument("gorilla.Handler", "guard")
	case f == nil:
		missing = driver.NilArgument("gorilla.Handler", "f")
	}
	if missing != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, missing.Error(), http.StatusInternalServerError)
		})
	}
	own := orDefault(upgrader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, r, err := upgrade(guard, own, w, r, nil)
		if err != nil {
			return // the request has been answered
		}
		c.guard.Driver().Serve(func() error { return f(r, c) })
	})
}

// Wrap makes a Conn of the library's connection. If the guard guards it, as
// below Guard.Middleware, nothing else is needed. If it isn't guarded, the Conn
// works in reduced mode: what goes out through it is validated, and errors are
// close events with what the library told; there is no promise of delivery, no
// limit, and Shutdown doesn't close it. A connection that another guard guards
// is an error.
func Wrap(guard *closeguard.Guard, ws *websocket.Conn) (*Conn, error) {
	switch {
	case guard == nil:
		return nil, driver.NilArgument("gorilla.Wrap", "guard")
	case ws == nil:
		return nil, driver.NilArgument("gorilla.Wrap", "ws")
	}
	nc, err := guard.Driver().Guarded(netConn(ws))
	if err != nil {
		return nil, err
	}
	var ours chan struct{}
	if nc == nil {
		ours = make(chan struct{}, 1)
		nc = guard.Driver().Witness(context.Background(), driver.About{
			Remote:      ws.RemoteAddr().String(),
			Subprotocol: ws.Subprotocol(),
		})
	}
	return &Conn{Conn: ws, guard: nc.(*closeguard.Conn), ours: ours}, nil
}

// FromRequest is Wrap for a connection that was upgraded for r below
// Guard.Middleware: it finds the guard in the request's context. If there is none,
// or it doesn't guard the connection, the error says what to do about it.
func FromRequest(r *http.Request, ws *websocket.Conn) (*Conn, error) {
	switch {
	case r == nil:
		return nil, driver.NilArgument("gorilla.FromRequest", "r")
	case ws == nil:
		return nil, driver.NilArgument("gorilla.FromRequest", "ws")
	}
	conn := closeguard.FromContext(r.Context()).Conn()
	if conn == nil {
		return nil, driver.Unguarded("gorilla.FromRequest", r)
	}
	nc, err := conn.Driver().Guard().Guarded(netConn(ws))
	switch {
	case err != nil:
		return nil, err
	case nc == nil: // the handler went round the guard
		return nil, driver.Unguarded("gorilla.FromRequest", r)
	}
	return &Conn{Conn: ws, guard: nc.(*closeguard.Conn)}, nil
}
