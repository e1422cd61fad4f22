// Package sockets gives the handlers of tests one way to use a connection of
// either library, bare or of its adapter.
package sockets

import (
	"context"
	"sync"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A Socket is such a connection. Its methods are the library's own, with the
// library's own errors.
type Socket interface {
	Read() (text bool, message []byte, err error)
	Write(text bool, message []byte) error
	CloseWith(code int, reason string) error // with a frame, as the library does it
	Close() error                            // without one: what every example defers
}

// Gorilla is a connection of gorilla/websocket or of its adapter.
type Gorilla struct {
	Conn interface {
		ReadMessage() (messageType int, p []byte, err error)
		WriteMessage(messageType int, data []byte) error
		WriteControl(messageType int, data []byte, deadline time.Time) error
		Close() error
	}
	Formats bool // CloseWith(1005, "") makes an empty Close, as the library's FormatCloseMessage does
}

// Read is [Socket]'s.
func (s Gorilla) Read() (text bool, message []byte, err error) {
	kind, message, err := s.Conn.ReadMessage()
	return kind == gorilla.TextMessage, message, err
}

// Write is [Socket]'s.
func (s Gorilla) Write(text bool, message []byte) error {
	if text {
		return s.Conn.WriteMessage(gorilla.TextMessage, message)
	}
	return s.Conn.WriteMessage(gorilla.BinaryMessage, message)
}

// CloseWith is [Socket]'s.
func (s Gorilla) CloseWith(code int, reason string) error {
	payload := rawpeer.Close(code, reason).Payload
	if s.Formats && code == gorilla.CloseNoStatusReceived && reason == "" {
		payload = nil
	}
	return s.Conn.WriteControl(gorilla.CloseMessage, payload, time.Now().Add(time.Second))
}

// Close is [Socket]'s.
func (s Gorilla) Close() error { return s.Conn.Close() }

// Coder is a connection of coder/websocket or of its adapter.
type Coder struct {
	Conn interface {
		Read(context.Context) (coder.MessageType, []byte, error)
		Write(context.Context, coder.MessageType, []byte) error
		Close(coder.StatusCode, string) error
		CloseNow() error
	}
}

// Read is [Socket]'s.
func (s Coder) Read() (text bool, message []byte, err error) {
	kind, message, err := s.Conn.Read(context.Background())
	return kind == coder.MessageText, message, err
}

// Write is [Socket]'s.
func (s Coder) Write(text bool, message []byte) error {
	if text {
		return s.Conn.Write(context.Background(), coder.MessageText, message)
	}
	return s.Conn.Write(context.Background(), coder.MessageBinary, message)
}

// CloseWith is [Socket]'s.
func (s Coder) CloseWith(code int, reason string) error {
	return s.Conn.Close(coder.StatusCode(code), reason)
}

// Close is [Socket]'s.
func (s Coder) Close() error { return s.Conn.CloseNow() }

// Messages are what Echo and Talk need of a Socket.
type Messages interface {
	Read() (text bool, message []byte, err error)
	Write(text bool, message []byte) error
}

// Echo sends messages back, n of them or, if n is negative, until it fails.
func Echo(s Messages, n int) error {
	for ; n != 0; n-- {
		text, message, err := s.Read()
		if err != nil {
			return err
		}
		if err := s.Write(text, message); err != nil {
			return err
		}
	}
	return nil
}

// Talk reads until that fails while another goroutine writes, one message after each
// pause until that fails.
func Talk(s Messages, pause time.Duration) error {
	over := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for s.Write(true, []byte("tick")) == nil {
			select {
			case <-tick.C:
			case <-over:
				return
			}
		}
	})
	defer writing.Wait()
	defer close(over)
	for {
		if _, _, err := s.Read(); err != nil {
			return err
		}
	}
}
