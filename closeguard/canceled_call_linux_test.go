package closeguard_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// canceledRead is a call of the library's that its context ends, for which the library
// closes, as coder/websocket does.
func canceledRead(c *closeguard.Conn) {
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		c.Close()
		close(closed)
	})
	call := c.Driver().Begin(ctx)
	reading := make(chan struct{})
	go func() {
		_, err := c.Read(make([]byte, 100))
		call.End(err, true)
		close(reading)
	}()
	cancel()
	<-closed
	<-reading
}

// What the peer says after the library has closed for a context takes nothing back: the
// context is the cause, and no frame is made up.
func TestAPeerThatTalksAfterTheEndOfAContext(t *testing.T) {
	for name, opts := range map[string]closeguard.Options{
		"without BareClose": {},
		"with BareClose":    {BareClose: closeguard.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := overTCP(t, opts)
			canceledRead(c)
			peer.Write(wireBytes(closeguard.Client, text("hello")))
			if got, _ := io.ReadAll(peer); len(got) > 0 {
				t.Errorf("the peer got %x", got)
			}
			peer.Close()
			<-c.Done()
			if got := c.Event().Cause(); got != cause.Context {
				t.Errorf("the cause is %v: %v", got, c.Event())
			}
		})
	}
}

// In that second the connection counts as closing, and Idle waits for its end.
func TestIdleWaitsForAConnectionThatAContextEnded(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	ours, peer := net.Pipe()
	defer peer.Close()
	c, err := g.WrapConn(ours, closeguard.Server)
	is(t, err)
	canceledRead(c)
	if got := g.Stats(); got.Closing != 1 {
		t.Errorf("%+v, want one that is closing", got)
	}
	is(t, g.Idle(t.Context()))
	if got := g.Stats(); got.Open != 0 {
		t.Errorf("Idle returned with %+v", got)
	}
}
