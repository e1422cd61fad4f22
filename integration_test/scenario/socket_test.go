package scenario

import (
	"context"
	"errors"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// A socket is a connection of any library with what the applications of the
// table do with it, each in the library's own way.
type socket interface {
	sockets.Socket
	fragment(part []byte) error // begins a message, sends a part of it and leaves it open
	limit(bytes int64)          // of a message that is read
	interrupt()                 // ends a blocked read: a deadline, a cancelled context
	guard() guarded             // the guard's own methods
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
	sockets.Gorilla
	inner   *gorilla.Conn
	control guarded
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

func (s *gorillaSocket) limit(bytes int64) { s.inner.SetReadLimit(bytes) }
func (s *gorillaSocket) interrupt()        { s.inner.SetReadDeadline(time.Unix(1, 0)) }
func (s *gorillaSocket) guard() guarded    { return s.control }

type coderSocket struct {
	sockets.Coder
	inner   *coder.Conn
	control guarded
	ctx     context.Context // of the reads
	cancel  context.CancelFunc
}

func newCoderSocket(inner *coder.Conn) *coderSocket {
	s := &coderSocket{Coder: sockets.Coder{Conn: inner}, inner: inner}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	inner.SetReadLimit(-1)
	return s
}

// Read is ended by interrupt.
func (s *coderSocket) Read() (bool, []byte, error) {
	kind, message, err := s.Conn.Read(s.ctx)
	return kind == coder.MessageText, message, err
}

func (s *coderSocket) fragment(part []byte) error {
	w, err := s.inner.Writer(context.Background(), coder.MessageText)
	if err != nil {
		return err
	}
	_, err = w.Write(part)
	return err
}

// Close ends the reads' context, too.
func (s *coderSocket) Close() error {
	defer s.cancel()
	return s.Coder.Close()
}

func (s *coderSocket) limit(bytes int64) { s.inner.SetReadLimit(bytes) }
func (s *coderSocket) interrupt()        { s.cancel() }
func (s *coderSocket) guard() guarded    { return s.control }
