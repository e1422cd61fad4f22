package gorilla

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/gorilla/websocket"
)

// validate refuses the payload of a Close that must not be sent.
func (c *Conn) validate(messageType int, payload []byte) (f closeguard.CloseFrame, err error) {
	if messageType != websocket.CloseMessage {
		return f, nil
	}
	code, reason, err := c.guard.Driver().CheckClose(payload)
	return closeguard.CloseFrame{Code: closeguard.Code(code), Reason: reason}, err
}

// writeClose writes a Close in reduced mode, and tells of it if the library took it.
func (c *Conn) writeClose(f closeguard.CloseFrame, write func() error) error {
	c.ours <- struct{}{}
	defer func() { <-c.ours }()
	err := write()
	if err == nil {
		c.guard.Driver().Sent(int(f.Code), f.Reason)
	}
	return err
}

// WriteMessage is the library's method; its terminal errors are close events.
// An illegal Close is a *closeguard.FrameError and nothing is sent.
func (c *Conn) WriteMessage(messageType int, data []byte) error {
	f, err := c.validate(messageType, data)
	if err != nil {
		return err
	}
	call := c.begin()
	if messageType == websocket.CloseMessage && !c.Guarded() {
		err = c.writeClose(f, func() error { return c.Conn.WriteMessage(messageType, data) })
	} else {
		err = c.Conn.WriteMessage(messageType, data)
	}
	return c.end(call, err, writing)
}

// WriteControl is the library's method; its terminal errors are close events.
// An illegal Close is a *closeguard.FrameError and nothing is sent.
func (c *Conn) WriteControl(messageType int, data []byte, deadline time.Time) error {
	f, err := c.validate(messageType, data)
	if err != nil {
		return err
	}
	call := c.begin()
	if messageType == websocket.CloseMessage && !c.Guarded() {
		err = c.writeClose(f, func() error { return c.Conn.WriteControl(messageType, data, deadline) })
	} else {
		err = c.Conn.WriteControl(messageType, data, deadline)
	}
	return c.end(call, err, writing)
}

// WritePreparedMessage is the library's method; its terminal errors are close
// events. A prepared Close can't be looked into: the guard repairs it on the wire.
func (c *Conn) WritePreparedMessage(pm *websocket.PreparedMessage) error {
	call := c.begin()
	return c.end(call, c.Conn.WritePreparedMessage(pm), writing)
}

// NextWriter is the library's method; its terminal errors and the writer's are
// close events. The payload of a Close is kept until the writer is closed, and
// an illegal one is a *closeguard.FrameError of its Close.
func (c *Conn) NextWriter(messageType int) (io.WriteCloser, error) {
	if messageType == websocket.CloseMessage {
		return &closeWriter{conn: c}, nil
	}
	call := c.begin()
	w, err := c.Conn.NextWriter(messageType)
	if err = c.end(call, err, writing); err != nil {
		return nil, err
	}
	return &messageWriter{c, w}, nil
}

type messageWriter struct {
	conn *Conn
	w    io.WriteCloser
}

func (m *messageWriter) Write(p []byte) (int, error) {
	call := m.conn.begin()
	n, err := m.w.Write(p)
	return n, m.conn.end(call, err, writing)
}

// WriteString and ReadFrom are the library's, which have no need of a buffer;
// where compression has none of them, they are what package io does without.

func (m *messageWriter) WriteString(s string) (int, error) {
	call := m.conn.begin()
	n, err := io.WriteString(m.w, s)
	return n, m.conn.end(call, err, writing)
}

func (m *messageWriter) ReadFrom(r io.Reader) (int64, error) {
	call := m.conn.begin()
	n, err := io.Copy(m.w, r)
	return n, m.conn.end(call, err, writing)
}

func (m *messageWriter) Close() error {
	call := m.conn.begin()
	return m.conn.end(call, m.w.Close(), writing)
}

type closeWriter struct {
	conn    *Conn
	payload bytes.Buffer
}

func (w *closeWriter) Write(p []byte) (int, error) { return w.payload.Write(p) }

func (w *closeWriter) Close() error {
	return w.conn.WriteMessage(websocket.CloseMessage, w.payload.Bytes())
}

// WriteJSON is the library's method; its terminal errors are close events, and
// errors of encoding stay what they are.
func (c *Conn) WriteJSON(v any) error {
	w, err := c.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	err = json.NewEncoder(w).Encode(v)
	if err2 := w.Close(); err == nil {
		err = err2
	}
	return err
}
