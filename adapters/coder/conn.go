package coder

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/coder/websocket"
)

// Conn is a *websocket.Conn whose terminal errors are close events. What the
// library says of its methods and of concurrency holds; CloseWith, Abort, Done,
// Context, Event, Guarded, Busy, Idle, SetKeys and Translate may be called at any
// time from anywhere.
//
// A context that ends during a call closes the connection, as in the library.
// Nobody meant to close it then, so no Close frame is made up: if the context's cause
// is a closeguard.Error, that is sent; else the program has a second in which Close
// and CloseWith still send theirs.
type Conn struct {
	*websocket.Conn
	guard *closeguard.Conn // in reduced mode a witness

	unseen  atomic.Pointer[unseen]  // nil but in reduced mode, while the library's Close runs
	streams atomic.Pointer[streams] // nil before the first is needed
}

// streams are for programs that do more than Read and Write.
type streams struct {
	// The library has one of each at a time too.
	reader messageReader
	writer messageWriter

	closeRead struct {
		once  sync.Once
		ctx   context.Context
		freed atomic.Bool // it was its CloseNow of the library's that was the first
	}
}

func (c *Conn) needStreams() *streams {
	if s := c.streams.Load(); s != nil {
		return s
	}
	c.streams.CompareAndSwap(nil, new(streams))
	return c.streams.Load()
}

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
	c.closeUnseen(code, reason)
	select {
	case <-c.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ev := c.Event(); !ev.Clean() {
		return ev
	}
	return nil
}

// unseen is a Close of the library's in reduced mode.
type unseen struct{ told chan struct{} } // closed when the guard knows of it

// closeUnseen runs the library's Close in reduced mode, which writes the frame and
// then reads for the answer: if it doesn't say that writing failed, nor that it was
// closed before, the frame has left.
func (c *Conn) closeUnseen(code closeguard.Code, reason string) {
	u := &unseen{make(chan struct{})}
	if !c.unseen.CompareAndSwap(nil, u) {
		return
	}
	go func() {
		defer close(u.told)
		err := c.Conn.Close(websocket.StatusCode(code), reason)
		var op *net.OpError
		if !errors.Is(err, net.ErrClosed) && (!errors.As(err, &op) || op.Op != "write") {
			c.guard.Driver().Sent(int(code), reason)
		}
		if err != nil {
			c.tell(err)
		}
		c.guard.Driver().Closed()
	}()
}

// awaitUnseen waits for a Close of the library's that is under way in reduced
// mode, which knows more of the end than a call that it interrupts.
func (c *Conn) awaitUnseen() {
	if u := c.unseen.Load(); u != nil {
		<-u.told
	}
}

// Close is CloseWith without a context, with the library's signature: the
// guard's limits bound it.
func (c *Conn) Close(code websocket.StatusCode, reason string) error {
	err := c.CloseWith(context.Background(), closeguard.Code(code), reason)
	if c.Event() != nil {
		c.Conn.CloseNow() // it frees the library's side
	}
	return err
}

// CloseNow closes TCP at once, as the library's method does, and sends no Close
// frame; if one was sent before, by either side, the guard finishes the closing
// handshake in the background. Inside a Handler's function it only wakes the
// reader: the frame is chosen when the function returns. As the library's, it
// returns an error that is net.ErrClosed if the program or the peer had closed
// the connection before.
func (c *Conn) CloseNow() error {
	if c.Guarded() {
		c.guard.Driver().CloseNow()
		err := c.Conn.CloseNow()
		if s := c.streams.Load(); s != nil && s.closeRead.freed.CompareAndSwap(true, false) {
			return nil
		}
		return err
	}
	err := c.Conn.CloseNow()
	c.awaitUnseen()
	c.guard.Driver().Closed()
	return err
}

// Abort ends TCP at once with a reset. No Close frame is sent. In reduced mode
// it is CloseNow.
func (c *Conn) Abort() {
	if !c.Guarded() {
		c.CloseNow() // it is closed
		return
	}
	c.guard.Abort()
	c.Conn.CloseNow() // it frees the library's side
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
func (c *Conn) Translate(err error) error { return c.end(c.begin(context.Background()), err, reading) }

// Do runs a call of the library's connection that this Conn has no method for,
// such as a function that takes a *websocket.Conn. The ctx is the one that the
// library is given. Terminal errors are close events.
func (c *Conn) Do(ctx context.Context, f func(*websocket.Conn) error) error {
	call := c.begin(ctx)
	return c.end(call, f(c.Conn), reading)
}

// begin begins a call of the library; end is its counterpart.
func (c *Conn) begin(ctx context.Context) driver.Call { return c.guard.Driver().Begin(ctx) }

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
	if err == nil || ofMessage(err) {
		return call.Keep(err)
	}
	terminal := d == reading || ofTransport(err)
	if terminal && !c.Guarded() {
		c.awaitUnseen()
		c.tell(err)
	}
	return call.End(err, terminal && tells(err))
}
