package gorilla

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/gorilla/websocket"
)

// Conn is a *websocket.Conn whose terminal errors are close events. What the
// library says of its methods and of concurrency holds; CloseWith, Abort, Done,
// Context, Event, Guarded, Busy, Idle, SetKeys and Translate may be called at any
// time from anywhere.
type Conn struct {
	*websocket.Conn
	guard *closeguard.Conn // in reduced mode a witness

	ours chan struct{} // in reduced mode a lock, held while a Close of ours is written and told

	closeRead atomic.Pointer[closeRead] // nil before CloseRead
}

// closeRead is for a program that only writes.
type closeRead struct {
	once sync.Once
	ctx  context.Context
}

// closeWait bounds, in reduced mode, how long a Close waits to be written and
// then for its answer: what closeguard.Options.CloseIdle is by default.
const closeWait = 5 * time.Second

// Guarded reports whether the connection is guarded on the wire; if not, the
// Conn works in reduced mode.
func (c *Conn) Guarded() bool { return c.guard.Driver().Guarded() }

// CloseWith sends a Close frame and waits until the connection has ended or
// ctx is done. It returns nil if the closing handshake was clean, else the
// close event; if ctx ends first, its error, and the handshake goes on. An
// illegal code or reason is a *closeguard.FrameError: nothing is sent and the
// connection stays usable. A second call sends nothing and waits.
func (c *Conn) CloseWith(ctx context.Context, code closeguard.Code, reason string) error {
	if c.Guarded() {
		return c.guard.CloseWith(ctx, code, reason)
	}
	if err := (closeguard.CloseFrame{Code: code, Reason: reason}).Validate(closeguard.Server); err != nil {
		return err
	}
	payload := websocket.FormatCloseMessage(int(code), reason)
	if err := c.WriteControl(websocket.CloseMessage, payload, time.Now().Add(closeWait)); err != nil && c.Event() == nil {
		return err
	}
	wait := time.NewTimer(closeWait)
	defer wait.Stop()
	select {
	case <-c.Done():
	case <-wait.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c.Close()
	if ev := c.Event(); !ev.Clean() {
		return ev
	}
	return nil
}

// Close closes TCP, as the library's method does. If no Close frame was sent,
// closeguard.Options.BareClose says whether one is; if one is or was, the guard finishes
// the closing handshake in the background. Inside a Handler's function it only wakes the
// reader: the frame is chosen when the function returns.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if !c.Guarded() {
		c.guard.Driver().Closed()
	}
	return err
}

// Abort ends TCP at once with a reset. No Close frame is sent.
func (c *Conn) Abort() {
	if c.Guarded() {
		c.guard.Abort()
		return
	}
	if tcp, ok := netConn(c.Conn).(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // Close follows
	}
	c.Close()
}

// netConn is what the library's NetConn returns, which it has from 1.5.1 on.
func netConn(ws *websocket.Conn) net.Conn {
	return ws.UnderlyingConn() // deprecated where there is a NetConn
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.guard.Done() }

// Context returns a context that ends with the connection, and whose cause is then
// the close event; see closeguard.Handle.Context.
func (c *Conn) Context() context.Context { return c.guard.Context() }

// Event returns how the connection ended as far as that is known now, nil
// while it is open.
func (c *Conn) Event() closeguard.CloseEvent { return c.guard.Event() }

// Translate turns an error of the library's that came past this Conn into what
// its methods would have returned.
func (c *Conn) Translate(err error) error { return c.end(c.begin(), err, reading) }

// begin begins a call of the library; end is its counterpart.
func (c *Conn) begin() driver.Call {
	return c.guard.Driver().Begin(nil) //nolint:staticcheck // the library takes no context
}

// heard tells of a message that came, in reduced mode.
func (c *Conn) heard(err error) {
	if err == nil && !c.Guarded() {
		c.guard.Driver().Alive()
	}
}

// direction is what a call does.
type direction bool

const (
	reading direction = false
	writing direction = true
)

// end makes a terminal error of the library's into the close event. Reading
// ends with any error but a message's own; a call that writes may also have
// failed by itself.
func (c *Conn) end(call driver.Call, err error, d direction) error {
	if err == nil || c.ofMessage(err) {
		return call.Keep(err)
	}
	terminal := d == reading || ofTransport(err)
	if terminal && !c.Guarded() {
		c.tell(err)
	}
	return call.End(err, terminal && tells(err))
}
