package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// mostRead is what a connection takes from the server before it stops reading.
const mostRead = 64 << 20

// A Conn is an open connection. Nothing is read before Listen.
type Conn struct {
	tcp    net.Conn
	conn   net.Conn // TCP, or TLS over it
	in     *bufio.Reader
	opened time.Time
	stop   func() bool // no longer closes it when the context ends

	writing sync.Mutex
	budget  Budget // what is left of it

	mu             sync.Mutex
	seen           Seen
	broke          bool          // a write found that TCP was reset: reading may see FIN then
	closed, ponged chan struct{} // the first Close, the first Pong
	ended          chan struct{}
}

// A Budget is how many bytes a connection may send after its opening handshake and first message.
type Budget struct {
	Probe   int // by Send and Write
	Answers int // to Pings and a Close, by itself
}

// A BudgetError says that a connection was about to send more than it was allowed to.
type BudgetError struct{ Want, Left int }

func (e *BudgetError) Error() string {
	return fmt.Sprintf("%d bytes are more than the %d that may still be sent", e.Want, e.Left)
}

// Send sends frames in one write.
func (c *Conn) Send(frames ...Frame) error { return c.Write(Bytes(frames...)) }

// Write sends bytes as they are.
func (c *Conn) Write(b []byte) error {
	err := c.pay(&c.budget.Probe, b)
	if err != nil && endOf(err) == Reset {
		c.note(func(*Seen) { c.broke = true })
	}
	return err
}

func (c *Conn) pay(from *int, b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if len(b) > *from {
		return &BudgetError{len(b), *from}
	}
	*from -= len(b)
	_, err := c.conn.Write(b)
	return err
}

// CloseWrite ends the client's direction: TLS's close_notify, then FIN.
func (c *Conn) CloseWrite() error {
	if over, ok := c.conn.(*tls.Conn); ok {
		if err := over.CloseWrite(); err != nil {
			return err
		}
	}
	half, ok := c.tcp.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// A Courtesy says what a listening client answers by itself.
type Courtesy uint8

// Courtesies.
const (
	Polite Courtesy = iota // answers Pings and a Close
	Closer                 // has a Close of its own, and answers Pings only
	Mute                   // answers nothing
)

// Listen reads until the server ends the connection, in a goroutine of its own. It gives
// up answering when the budget for that is used up.
func (c *Conn) Listen(courtesy Courtesy) {
	go func() {
		end := c.listen(courtesy)
		c.mu.Lock()
		defer c.mu.Unlock()
		if end == FIN && c.broke {
			end = Reset
		}
		c.seen.End, c.seen.EndAt = end, time.Since(c.opened)
		close(c.ended)
	}()
}

func (c *Conn) listen(courtesy Courtesy) End {
	open := false // a message is
	for {
		h, err := readHeader(c.in)
		if err != nil {
			return endOf(err)
		}
		if rule := h.broken(open); rule != "" {
			c.note(func(s *Seen) { s.Broken = rule })
			return Halted // what follows can't be understood
		}
		if h.opcode < OpClose {
			open = !h.final
		}
		payload, err := c.payload(h)
		if err != nil {
			return endOf(err)
		}
		c.take(h, payload, courtesy)
		if c.Seen().Bytes > mostRead {
			return Halted
		}
	}
}

// payload reads a frame's; of messages it keeps nothing.
func (c *Conn) payload(h header) ([]byte, error) {
	var kept []byte
	var came int64
	var err error
	if h.opcode >= OpClose {
		kept = make([]byte, h.length) // at most 125 bytes
		var n int
		n, err = io.ReadFull(c.in, kept)
		came = int64(n)
	} else {
		came, err = io.CopyN(io.Discard, c.in, int64(min(h.length, mostRead+1))) // it is small
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	c.note(func(s *Seen) { s.Bytes += came })
	return kept, err
}

// mostPongs is how many of them are kept.
const mostPongs = 16

func (c *Conn) take(h header, payload []byte, courtesy Courtesy) {
	first := false
	c.note(func(s *Seen) {
		switch {
		case s.Close != nil:
			s.After++
		case h.opcode == OpClose:
			said, err := closeguard.ParseCloseFrame(payload)
			s.Close, s.Illegal, s.CloseAt = &said, err, time.Since(c.opened)
			first = true
			close(c.closed)
		case h.opcode == OpPong:
			if len(s.Pongs) == 0 {
				close(c.ponged)
			}
			if len(s.Pongs) < mostPongs {
				s.Pongs = append(s.Pongs, string(payload))
			}
		case h.opcode < OpClose:
			s.Frames++
		}
	})
	switch {
	case courtesy == Mute:
	case h.opcode == OpPing:
		c.answer(Frame{Opcode: OpPong, Payload: payload})
	case first && courtesy == Polite:
		c.answer(Frame{Opcode: OpClose, Payload: payload[:min(2, len(payload))]})
	}
}

func (c *Conn) answer(f Frame) { c.pay(&c.budget.Answers, Bytes(f)) } //nolint:errcheck // reading tells

func (c *Conn) note(f func(*Seen)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.seen)
}

func endOf(err error) End {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Cut
	case errors.Is(err, io.EOF):
		return FIN
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, net.ErrClosed):
		return Open // it was the client who ended it
	}
	return Failed
}

// Seen is what has been seen so far.
func (c *Conn) Seen() Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seen
	s.Pongs = slices.Clone(s.Pongs)
	return s
}

// AwaitClose waits for the server's Close, or until the connection or the context ends.
func (c *Conn) AwaitClose(ctx context.Context) { c.await(ctx, c.closed) }

// AwaitPong waits for a Pong, a Close, or until the connection or the context ends.
func (c *Conn) AwaitPong(ctx context.Context) { c.await(ctx, c.ponged) }

// AwaitEnd waits until the server ends the connection, or the context ends.
func (c *Conn) AwaitEnd(ctx context.Context) { c.await(ctx, nil) }

func (c *Conn) await(ctx context.Context, what <-chan struct{}) {
	select {
	case <-what:
	case <-c.ended:
	case <-ctx.Done():
	}
}

// expire wakes whoever reads or writes.
func (c *Conn) expire() { c.tcp.Close() }

// Shut closes TCP.
func (c *Conn) Shut() {
	c.stop()
	c.tcp.Close()
}
