package coder_test

import (
	"io"
	"sync"
	"testing"

	"github.com/closeguard/ws/adapters/internal/twintest"
	"github.com/closeguard/ws/closeguard"
	"github.com/coder/websocket"
)

// Any number of goroutines may write; each waits for the writer before it.
func TestWritersTakeTurns(t *testing.T) {
	s, c, p := adapter.Connect(t, closeguard.Options{})
	const writers, messages = 4, 50
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for range messages {
				w, err := c.Writer(t.Context(), websocket.MessageText)
				if err != nil {
					t.Error(err)
					return
				}
				io.WriteString(w, "one ")
				io.WriteString(w, "message")
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range writers * messages {
		p.Expect("one message")
	}
	writing.Wait() // the peer has the last message before its Close returns
	c.Abort()
	twintest.ExpectEvent(t, s.Event(t), "dropped")
}
