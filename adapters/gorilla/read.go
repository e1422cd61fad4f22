package gorilla

import (
	"encoding/json"
	"io"
)

// ReadMessage is the library's method; its terminal errors are close events.
func (c *Conn) ReadMessage() (messageType int, p []byte, err error) {
	call := c.begin()
	messageType, p, err = c.Conn.ReadMessage()
	c.heard(err)
	if err != nil {
		err = c.end(call, err, reading)
	}
	return messageType, p, err
}

// NextReader is the library's method; its terminal errors and the reader's are
// close events.
func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {
	call := c.begin()
	messageType, r, err = c.Conn.NextReader()
	c.heard(err)
	if err != nil {
		return messageType, r, c.end(call, err, reading)
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
	if err != nil && err != io.EOF { //nolint:errorlint // the end of the message
		err = m.conn.end(call, err, reading)
	}
	return n, err
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
