package gorilla

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// ReadMessage is the library's method; its terminal errors are close events.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	call := c.begin()
	messageType, p, err = c.Conn.ReadMessage()
	c.heard(err)
	return messageType, p, c.end(call, err, reading)
}

// NextReader is the library's method; its terminal errors and the reader's are
// close events.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	call := c.begin()
	messageType, r, err = c.Conn.NextReader()
	c.heard(err)
	if err = c.end(call, err, reading); err != nil {
		return messageType, r, err
	}
	return messageType, &messageReader{c, r}, nil
}

type messageReader struct {
	conn *Conn
	r    io.Reader
}

func (m *messageReader) Read(p []byte) (int, error) {
	call := m.conn.begin()
	n, err := m.r.Read(p)
	if err == io.EOF {
		return n, call.Keep(err)
	}
	return n, m.conn.end(call, err, reading)
}

// ReadJSON is the library's method; its terminal errors are close events, and
// errors of decoding stay what they are.
func (c *Conn) ReadJSON(v any) error {
	_, r, err := c.NextReader()
	if err != nil {
		return err
	}
	err = json.NewDecoder(r).Decode(v)
	if err == io.EOF { //nolint:errorlint // the message's end; a wrapped one is the end of TCP
		return io.ErrUnexpectedEOF // a message holds one value
	}
	return err
}

// CloseRead reads in the background, so that pings and a Close are answered
// while the program only writes. The returned context ends with the connection,
// and its cause is the close event. A data message from the peer closes the
// connection with 1008. When ctx ends, the connection does: if the context's cause
// is a closeguard.Error, that is sent; else the program has a second in which
// CloseWith still sends its Close. A second call returns the first one's context.
func (c *Conn) CloseRead(ctx context.Context) context.Context {
	c.closeRead.CompareAndSwap(nil, new(closeRead))
	only := c.closeRead.Load()
	only.once.Do(func() {
		done, cancel := context.WithCancelCause(ctx)
		only.ctx = done
		go func() { cancel(c.readToEnd(ctx)) }()
	})
	return only.ctx
}

// readToEnd is what CloseRead does in the background. Whatever ends the reading
// ends the connection.
func (c *Conn) readToEnd(ctx context.Context) error {
	call := c.guard.Driver().Begin(ctx)
	stop := context.AfterFunc(ctx, func() { c.Conn.Close() })
	_, _, err := c.Conn.NextReader()
	stop()
	if err == nil {
		call.Keep(nil) //nolint:errcheck // there is none
		c.refuse(ctx)
		c.Close()
		return c.Event()
	}
	c.Conn.Close()
	err = c.end(call, err, reading)
	if !c.Guarded() {
		c.guard.Driver().Closed()
	}
	return err
}

// refuse closes the connection for a message that nobody expects. In reduced mode
// somebody has to read for the answer.
func (c *Conn) refuse(ctx context.Context) {
	if !c.Guarded() {
		c.SetReadDeadline(time.Now().Add(closeWait)) //nolint:errcheck // reading tells
		go func() {
			for err := error(nil); err == nil; {
				_, _, err = c.NextReader()
			}
		}()
	}
	c.CloseWith(ctx, closeguard.PolicyViolation, "unexpected data message") //nolint:errcheck // the event tells
}
