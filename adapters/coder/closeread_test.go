package coder_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
	"github.com/coder/websocket"
)

// The cause of CloseRead's context is the close event, whatever ends the connection.
func TestTheCauseOfCloseReadIsTheEvent(t *testing.T) {
	for _, e := range endings {
		if e.name == "a message over the limit" {
			continue // no message is read
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s, c, p := connect(t, closeguard.Options{CloseIdle: 50 * time.Millisecond})
			ctx := c.CloseRead(t.Context())
			if again := c.CloseRead(context.Background()); again != ctx {
				t.Error("a second call returned another context")
			}
			e.end(t, c, p, byte(websocket.MessageText))
			within(t, "the context", ctx.Done())
			expectEvent(t, context.Cause(ctx), e.want)
			c.CloseNow()
			expectEvent(t, s.event(t), e.want)
		})
	}
}

// A message that nobody expects closes the connection at once; the library's
// CloseRead would wait 15 s for itself.
func TestCloseReadAndADataMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, p := connectOver(t, closetest.Listen(), closeguard.Options{})
		began := time.Now()
		ctx := c.CloseRead(t.Context())
		p.send(frame(0x81, "hello"))
		if got := p.end(); got != `1008 "unexpected data message"` {
			t.Errorf("the peer saw %s", got)
		}
		within(t, "the context", ctx.Done())
		expectEvent(t, context.Cause(ctx), "local closed 1008")
		expectEvent(t, s.event(t), "local closed 1008")
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v, want no time", took)
		}
	})
}

// The end of the parent ends the connection, as the end of a Read's context does.
func TestCloseReadAndTheEndOfItsParent(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	why := errors.New("no time")
	parent, cancel := context.WithCancelCause(t.Context())
	ctx := c.CloseRead(parent)
	cancel(why)
	within(t, "the context", ctx.Done())
	if err := context.Cause(ctx); err != why {
		t.Errorf("the cause is %v, want the parent's", err)
	}
	if got := p.end(); got != "EOF" {
		t.Errorf("the peer saw %s, want EOF", got)
	}
	ev := s.event(t)
	expectEvent(t, ev, "dropped")
	if !errors.Is(ev, why) {
		t.Errorf("%v is not %v", ev, why)
	}
}

// Pings are answered while the program only writes.
func TestCloseReadAnswersPings(t *testing.T) {
	s, c, p := connect(t, closeguard.Options{})
	ctx := c.CloseRead(t.Context())
	pong := make(chan struct{})
	p.SetPongHandler(func(string) error {
		close(pong)
		return nil
	})
	p.send(frame(0x89, "are you there?"))
	go func() {
		<-pong
		c.Write(context.Background(), websocket.MessageText, []byte("yes"))
		c.CloseWith(context.Background(), 1000, "")
	}()
	if _, b, err := p.ReadMessage(); string(b) != "yes" || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
	if got := p.end(); got != "1000" {
		t.Errorf("the peer saw %s", got)
	}
	within(t, "the context", ctx.Done())
	expectEvent(t, s.event(t), "local closed 1000")
}
