package closeguard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// guardDriver is a guard to an adapter.
type guardDriver struct{ guard *Guard }

// Driver is for the authors of adapters.
func (g *Guard) Driver() driver.Guard { return guardDriver{g} }

func (d guardDriver) Upgrade(w http.ResponseWriter, r *http.Request, do func(http.ResponseWriter, *http.Request) error) error {
	return d.guard.upgrade(w, r, do)
}

func (d guardDriver) Claim(ctx context.Context) (net.Conn, error) {
	l := linkFrom(ctx)
	switch {
	case l == nil:
		return nil, nil
	case l.guard != d.guard:
		return nil, errOtherGuard
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.conn.Value()
	switch {
	case c == nil || l.phase != phaseOpen:
		return nil, errNotOpen
	case l.library.has(claimed):
		return nil, errClaimed
	}
	l.library |= claimed
	return c, nil
}

func (d guardDriver) Guarded(nc net.Conn) (net.Conn, error) {
	c, err := d.guard.guarded(nc)
	if c == nil {
		return nil, err
	}
	return c, nil
}

func (d guardDriver) WrapHandshake(nc net.Conn) (net.Conn, error) {
	if nc == nil {
		return nil, errors.New("closeguard: WrapHandshake: the net.Conn is nil")
	}
	if c, err := d.guard.guarded(nc); c != nil || err != nil {
		return c, err
	}
	l := d.guard.newLink(context.Background(), ConnInfo{Role: Client})
	l.attach(nc)
	return newConn(l), nil
}

func (d guardDriver) Witness(ctx context.Context, about driver.About) net.Conn {
	g := d.guard
	info := ConnInfo{Remote: about.Remote}
	if r := about.Request; r != nil {
		info = g.requestInfo(r)
		info.Route, info.Attrs = g.routeOf(r), g.attrsOf(r)
	}
	info.Subprotocol = about.Subprotocol
	l := g.newLink(ctx, info)
	if about.Request != nil {
		l.offer(about.Request)
	}
	l.phase, l.opening, l.raw = phaseWitness, nil, transport{unseen{}}
	l.needEnding().ctx = ctx
	now := g.now()
	l.in.Touch(now)
	l.out.opens(now)
	g.mu.Lock()
	g.count(l)
	g.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellOpened()
	return &Conn{Handle: Handle{l}}
}

// unseen is the transport of a connection that the guard doesn't see.
type unseen struct{}

var errUnseen = errors.New("closeguard: the guard doesn't see this connection: it was opened without it")

func (unseen) Read([]byte) (int, error)         { return 0, errUnseen }
func (unseen) Write([]byte) (int, error)        { return 0, errUnseen }
func (unseen) Close() error                     { return errUnseen }
func (unseen) LocalAddr() net.Addr              { return nil }
func (unseen) RemoteAddr() net.Addr             { return nil }
func (unseen) SetDeadline(time.Time) error      { return errUnseen }
func (unseen) SetReadDeadline(time.Time) error  { return errUnseen }
func (unseen) SetWriteDeadline(time.Time) error { return errUnseen }

// connDriver is a connection to an adapter. Its calls are in call.go, its handlers in
// serve.go.
type connDriver struct{ conn *Conn }

func (d connDriver) Guarded() bool { return d.conn.link.phase != phaseWitness }

func (d connDriver) Guard() driver.Guard { return d.conn.link.guard.Driver() }

func (d connDriver) CheckClose(payload []byte) (code int, reason string, err error) {
	f, err := ParseCloseFrame(payload)
	if err == nil {
		err = f.Validate(d.conn.link.role)
	}
	return int(f.Code), f.Reason, err
}

func (d connDriver) StrictEOF() {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.library |= eofEndsMessage
}

func (d connDriver) Extensions(header string) {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claim(wire.Claims(header))
}

func (d connDriver) CloseNow() {
	defer runtime.KeepAlive(d.conn)
	if !d.fail() {
		d.conn.link.close(cause.None) //nolint:errcheck // closed twice is closed
	}
}

// fail ends a connection that nobody has begun to close, and reports whether it
// is one.
func (d connDriver) fail() bool {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.machine()
	if r := m.Record(); l.phase != phaseOpen || l.app.Serving || !r.Open() || m.Busy() || l.end.awaitsWord() {
		return false
	}
	l.failYielding(closing.CutUnread)
	return true
}

func (d connDriver) Abandon() {
	defer runtime.KeepAlive(d.conn)
	if l := d.conn.link; !l.ended.final() {
		l.guard.callers.Do(func() { abandon(l) })
	}
}

func (d connDriver) Sent(code int, reason string) {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.needEnding()
	e.Sent(closing.Frame{Code: code, Reason: reason}, l.guard.now())
	e.noteBegin()
}

func (d connDriver) Received(code int, reason string) {
	d.conclude(closing.TheirClose{Payload: closing.Frame{Code: code, Reason: reason}.AppendPayload(nil)})
}

func (d connDriver) Ended(err error) {
	d.conclude(closing.ReadEnded{Reason: closing.Reason{Cause: causeOf(err), Err: err}})
}

func (d connDriver) Closed() {
	d.conclude(closing.CutOff{Reason: closing.Reason{Cause: cause.BareClose}})
}

func (d connDriver) Alive() {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.in.Touch(l.guard.now())
}

// conclude reports what a witness knows with this; nothing more will be known.
// That the program has closed TCP says something only where nothing was known.
func (d connDriver) conclude(in closing.Input) {
	l := d.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended.final() {
		return
	}
	if _, closed := in.(closing.CutOff); !closed || l.machine().Record().First == closing.Nobody {
		l.on(in)
	}
	l.end.Conclude(l.guard.now())
	l.run()
}
