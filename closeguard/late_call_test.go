package closeguard_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// A call comes after the end as soon as the library has closed its net.Conn, or a call
// has returned the end, whether TCP is closed by then or not: only then is a peer's
// Close or a drop net.ErrClosed.
func TestWhichCallsComeAfterTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *guarded) // of the connection, while TCP stays open
		late bool             // the first call that begins then comes after it
	}{
		{"the peer has closed", func(c *guarded) {
			c.send(closeWith(1000, ""), text("more")) // so that the guard waits for the end of TCP
			c.read(closeWith(1000, ""), text("more"))
			c.write(closeWith(1000, ""))
		}, false},
		{"the peer has closed, and the library closes", func(c *guarded) {
			c.send(closeWith(1000, ""), text("more"))
			c.read(closeWith(1000, ""), text("more"))
			c.Close()
		}, true},
		{"the peer's stream has ended", func(c *guarded) {
			c.peer.CloseWrite()
			if err := c.readAll(); !errors.Is(err, io.EOF) {
				c.t.Errorf("Read: %v", err)
			}
		}, false},
	} {
		for _, name := range []string{"no context", "a context"} {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					ctx := t.Context()
					if name == "no context" {
						ctx = nil
					}
					c := guard(t, closeguard.Server, closeguard.Options{BareClose: closeguard.NoClose})
					before := c.Driver().Begin(ctx)
					tt.end(c)
					first := c.Driver().Begin(ctx)
					for name, call := range map[string]struct {
						err  error
						late bool
					}{
						"one that began before": {before.End(io.EOF, true), false},
						"the first one after":   {first.End(io.EOF, true), tt.late},
						"the next one":          {c.Driver().Begin(ctx).End(io.EOF, true), true},
					} {
						var ev closeguard.CloseEvent
						if !errors.As(call.err, &ev) || errors.Is(call.err, net.ErrClosed) != call.late {
							t.Errorf("%s: %v, net.ErrClosed is %t", name, call.err, !call.late)
						}
					}
					select {
					case <-c.Done():
						t.Error("TCP has ended: the test proves nothing")
					default:
					}
					c.peer.Close()
					c.Close()
					<-c.Done()
				})
			})
		}
	}
}
