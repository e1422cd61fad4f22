package scenario

import (
	"context"
	"errors"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
)

// A socket is a connection of any library with what the applications of the
// table do with it, each in the library's own way.
type socket interface {
	read() (text bool, message []byte, err error)
	write(text bool, message []byte) error
	fragment(part []byte) error              // begins a message, sends a part of it and leaves it open
	closeWith(code int, reason string) error // sends a Close
	close() error                            // ends TCP: what every example defers
	limit(bytes int64)                       // of a message that is read
	interrupt()                              // ends a blocked read: a deadline, a cancelled context
	guard() guarded                          // the guard's own methods
}

// guarded are the methods that a *closeguard.Conn, a *closeguard.Handle and the
// adapters' connections have in common.
type guarded interface {
	CloseWith(ctx context.Context, code closeguard.Code, reason string) error
	Abort()
	Done() <-chan struct{}
}

// errNotOffered is what a library returns for what it can't do.
var errNotOffered = errors.New("the library doesn't offer it")

type gorillaSocket struct {
	conn interface {
		ReadMessage() (messageType int, p []byte, err error)
		WriteMessage(messageType int, data []byte) error
		WriteControl(messageType int, data []byte, deadline time.Time) error
		Close() error
	}
	inner   *gorilla.Conn
	control guarded
}

func (s *gorillaSocket) read() (bool, []byte, error) {
	kind, message, err := s.conn.ReadMessage()
	return kind == gorilla.TextMessage, message, err
}

func (s *gorillaSocket) write(text bool, message []byte) error {
	if text {
		return s.conn.WriteMessage(gorilla.TextMessage, message)
	}
	return s.conn.WriteMessage(gorilla.BinaryMessage, message)
}

// The library sends a fragment when its buffer of 4096 bytes is full.
func (s *gorillaSocket) fragment(part []byte) error {
	w, err := s.inner.NextWriter(gorilla.TextMessage)
	if err != nil {
		return err
	}
	_, err = w.Write(part)
	return err
}

func (s *gorillaSocket) closeWith(code int, reason string) error {
	payload := closing(code, reason).Payload
	if code == gorilla.CloseNoStatusReceived && reason == "" {
		payload = nil
	}
	return s.conn.WriteControl(gorilla.CloseMessage, payload, time.Now().Add(time.Second))
}

func (s *gorillaSocket) close() error      { return s.conn.Close() }
func (s *gorillaSocket) limit(bytes int64) { s.inner.SetReadLimit(bytes) }
func (s *gorillaSocket) interrupt()        { s.inner.SetReadDeadline(time.Unix(1, 0)) }
func (s *gorillaSocket) guard() guarded    { return s.control }

type coderSocket struct {
	conn interface {
		Read(context.Context) (coder.MessageType, []byte, error)
		Write(context.Context, coder.MessageType, []byte) error
		Close(coder.StatusCode, string) error
		CloseNow() error
	}
	inner   *coder.Conn
	control guarded
	ctx     context.Context // of the reads
	cancel  context.CancelFunc
}

func newCoderSocket(inner *coder.Conn) *coderSocket {
	s := &coderSocket{conn: inner, inner: inner}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	inner.SetReadLimit(-1)
	return s
}

func (s *coderSocket) read() (bool, []byte, error) {
	kind, message, err := s.conn.Read(s.ctx)
	return kind == coder.MessageText, message, err
}

func (s *coderSocket) write(text bool, message []byte) error {
	if text {
		return s.conn.Write(context.Background(), coder.MessageText, message)
	}
	return s.conn.Write(context.Background(), coder.MessageBinary, message)
}

func (s *coderSocket) fragment(part []byte) error {
	w, err := s.inner.Writer(context.Background(), coder.MessageText)
	if err != nil {
		return err
	}
	_, err = w.Write(part)
	return err
}

func (s *coderSocket) closeWith(code int, reason string) error {
	return s.conn.Close(coder.StatusCode(code), reason)
}

func (s *coderSocket) close() error {
	defer s.cancel()
	return s.conn.CloseNow()
}

func (s *coderSocket) limit(bytes int64) { s.inner.SetReadLimit(bytes) }
func (s *coderSocket) interrupt()        { s.cancel() }
func (s *coderSocket) guard() guarded    { return s.control }
