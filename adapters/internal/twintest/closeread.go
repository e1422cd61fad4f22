package twintest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// The cause of CloseRead's context is the close event, whatever ends the connection.
func (a Adapter[C, L]) theCauseOfCloseReadIsTheEvent(t *testing.T) {
	for _, e := range a.Endings() {
		if e.tooBig {
			continue // no message is read
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			s, c, p := a.Connect(t, closeguard.Options{CloseIdle: 50 * time.Millisecond})
			ctx := c.CloseRead(t.Context())
			if again := c.CloseRead(context.Background()); again != ctx {
				t.Error("a second call returned another context")
			}
			e.End(t, c, p, 1)
			Within(t, "the context", ctx.Done())
			ExpectEvent(t, context.Cause(ctx), e.Want)
			a.Close(c)
			ExpectEvent(t, s.Event(t), e.Want)
		})
	}
}

// A message that nobody expects closes the connection at once.
func (a Adapter[C, L]) closeReadAndADataMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, p := a.ConnectOver(t, closetest.Listen(), closeguard.Options{})
		began := time.Now()
		ctx := c.CloseRead(t.Context())
		p.Send(Frame(0x81, "hello"))
		if got := p.End(); got != `1008 "unexpected data message"` {
			t.Errorf("the peer saw %s", got)
		}
		Within(t, "the context", ctx.Done())
		ExpectEvent(t, context.Cause(ctx), "local closed 1008")
		ExpectEvent(t, s.Event(t), "local closed 1008")
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v, want no time", took)
		}
	})
}

// The end of the parent ends the connection.
func (a Adapter[C, L]) closeReadAndTheEndOfItsParent(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	why := errors.New("no time")
	parent, cancel := context.WithCancelCause(t.Context())
	ctx := c.CloseRead(parent)
	cancel(why)
	Within(t, "the context", ctx.Done())
	if err := context.Cause(ctx); err != why {
		t.Errorf("the cause is %v, want the parent's", err)
	}
	if got := p.End(); got != "EOF" {
		t.Errorf("the peer saw %s, want EOF", got)
	}
	ev := s.Event(t)
	ExpectEvent(t, ev, "dropped")
	if !errors.Is(ev, why) {
		t.Errorf("%v is not %v", ev, why)
	}
}

// Pings are answered while the program only writes.
func (a Adapter[C, L]) closeReadAnswersPings(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	ctx := c.CloseRead(t.Context())
	pong := make(chan struct{})
	p.SetPongHandler(func(string) error {
		close(pong)
		return nil
	})
	p.Send(Frame(0x89, "are you there?"))
	go func() {
		<-pong
		a.Write(c, "yes")
		c.CloseWith(context.Background(), 1000, "")
	}()
	if _, b, err := p.ReadMessage(); string(b) != "yes" || err != nil {
		t.Errorf("the peer reads %q, %v", b, err)
	}
	if got := p.End(); got != "1000" {
		t.Errorf("the peer saw %s", got)
	}
	Within(t, "the context", ctx.Done())
	ExpectEvent(t, s.Event(t), "local closed 1000")
}
