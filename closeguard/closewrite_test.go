package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/closetest"
)

// Behind CloseWrite the peer's data and its Close still come, no Close of ours leaves,
// and the event says what was.
func TestCloseWrite(t *testing.T) {
	peerEnds := func(c *guarded) {
		c.peer.CloseWrite()
		if err := c.readAll(); !errors.Is(err, io.EOF) {
			c.t.Errorf("Read: %v, want EOF", err)
		}
		c.Close()
	}
	for _, tt := range []struct {
		name   string
		opts   closeguard.Options
		before func(c *guarded)
		wire   string // what the peer sees up to the end of our stream
		after  func(c *guarded)
		ended  string
		why    cause.Cause
	}{
		{
			name: "the peer closes", wire: "EOF", after: func(c *guarded) {
				c.send(text("still"), closeWith(4002, "bye"))
				c.read(text("still"), closeWith(4002, "bye"))
				if err := c.readAll(); !errors.Is(err, io.EOF) {
					c.t.Errorf("Read behind the peer's Close: %v, want EOF", err)
				}
			},
			ended: "peer closed 4002, received 4002 bye", why: cause.BareClose,
		},
		{name: "the peer's stream ends", wire: "EOF", after: peerEnds, ended: "dropped 1006", why: cause.BareClose},
		{name: "the library closes", wire: "EOF", after: func(c *guarded) { c.Close() }, ended: "dropped 1006", why: cause.BareClose},
		{
			name: "the program closes", wire: "EOF", after: func(c *guarded) {
				if err := c.CloseWith(context.Background(), 4003, "kicked"); err == nil {
					c.t.Error("CloseWith: no error")
				}
			},
			ended: "dropped 1006, intended 4003 kicked", why: cause.BareClose,
		},
		{
			name: "a limit comes", opts: closeguard.Options{IdleTimeout: 10 * sec}, wire: "EOF", after: func(c *guarded) { time.Sleep(11 * sec) },
			ended: "dropped 1006, intended 1001 idle timeout", why: cause.IdleTimeout,
		},
		{
			name: "no ping leaves, and none is waited for", opts: closeguard.Options{PingInterval: sec}, wire: "EOF", after: func(c *guarded) {
				before := c.below.Writes()
				time.Sleep(10 * sec)
				if n := c.below.Writes() - before; n > 0 || c.Event() != nil {
					c.t.Errorf("%d Writes, and it ended: %v", n, c.Event())
				}
				peerEnds(c)
			},
			ended: "dropped 1006", why: cause.BareClose,
		},
		{
			name: "what the library writes fails, but for answers", wire: "EOF", after: func(c *guarded) {
				if _, err := c.Write(wireBytes(c.role, text("late"))); !errors.Is(err, net.ErrClosed) {
					c.t.Errorf("Write: %v, want net.ErrClosed", err)
				}
				c.write(pong("answer"))
				peerEnds(c)
			},
			ended: "dropped 1006", why: cause.BareClose,
		},
		{
			name: "again", wire: "EOF", after: func(c *guarded) {
				c.CloseWrite() // what the transport says
				peerEnds(c)
			},
			ended: "dropped 1006", why: cause.BareClose,
		},
		{
			name: "our Close is out", before: func(c *guarded) { c.write(closeWith(1000, "")) }, wire: "close 1000 | EOF", after: func(c *guarded) {
				c.send(closeWith(1000, ""))
				c.read(closeWith(1000, ""))
			},
			ended: "local closed 1000, sent 1000, received 1000, clean", why: cause.None,
		},
		{
			name: "the peer's Close is not answered", before: func(c *guarded) {
				c.send(closeWith(4002, ""))
				c.read(closeWith(4002, ""))
			},
			wire: "close 4002 | EOF", after: func(*guarded) {},
			ended: "peer closed 4002, sent 4002, received 4002, clean", why: cause.None,
		},
		{
			name: "the peer's stream has ended", before: func(c *guarded) {
				c.peer.CloseWrite()
				c.readAll()
			},
			wire: "EOF", after: func(c *guarded) { c.Close() }, ended: "dropped 1006", why: cause.EOF,
		},
		{
			name: "a bare close has a code", opts: closeguard.Options{BareClose: closeguard.InternalError},
			before: func(c *guarded) { // the peer answers, and the library reads that
				go func() {
					(&frameReader{r: c.peer, from: c.role}).next()
					c.send(closeWith(1011, ""))
				}()
			},
			after: func(c *guarded) { c.readAll() },
			ended: "local closed 1011, sent 1011, received 1011, clean", why: cause.BareClose,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if tt.opts.BareClose == 0 {
					tt.opts.BareClose = closeguard.NoClose
				}
				c := guard(t, closeguard.Server, tt.opts)
				if tt.before != nil {
					tt.before(c)
				}
				is(t, c.CloseWrite())
				if tt.wire != "" {
					c.peerSees(tt.wire)
				}
				tt.after(c)
				c.Close()
				ev := c.ends(tt.ended).End()
				if ev.Cause() != tt.why {
					t.Errorf("cause %v, want %v", ev.Cause(), tt.why)
				}
			})
		})
	}
}

// A library that has closed can't half-close, and who can't half-close says so and
// goes on.
func TestCloseWriteThatCant(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Close()
		if err := c.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("behind Close: %v, want net.ErrClosed", err)
		}
		c.finish()
	})
	bubble(t, func(t *testing.T) {
		type plain struct{ net.Conn } // no other method
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 64<<10, func(below *closetest.PipeConn) net.Conn { return plain{below} })
		if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without one below: %v, want errors.ErrUnsupported", err)
		}
		c.write(text("on"))
		c.peerGets("text on")
		c.write(closeWith(1000, ""))
		c.finish()
	})
}

// refusing is a wrapper that has CloseWrite for whatever it wraps.
type refusing struct{ *closetest.PipeConn }

func (refusing) CloseWrite() error { return errors.ErrUnsupported }

// A transport that refuses has ended nothing: the connection is as open as before, also
// inside a frame.
func TestCloseWriteThatIsRefused(t *testing.T) {
	for _, cut := range []int{0, 1, 4} {
		t.Run(fmt.Sprintf("behind %d bytes of a frame", cut), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{BareClose: closeguard.NoClose}, 64<<10,
					func(below *closetest.PipeConn) net.Conn { return refusing{below} })
				b := wireBytes(c.role, text("whole"))
				c.Write(b[:cut])
				if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("CloseWrite: %v, want errors.ErrUnsupported", err)
				}
				if n := c.guard.Stats().Closing; n != 0 {
					t.Errorf("%d connections closing, want none", n)
				}
				if n, err := c.Write(b[cut:]); n != len(b)-cut || err != nil {
					t.Errorf("Write: %d, %v; want it to go on", n, err)
				}
				c.peerGets("text whole")
				c.send(closeWith(4002, "bye"))
				c.read(closeWith(4002, "bye"))
				go c.readAll()
				c.peerGets("close 4002 bye")
				c.peer.Close()
				c.ends("peer closed 4002, sent 4002 bye, received 4002 bye, clean")
			})
		})
	}
}

// A Write that CloseWrite has cut is no end of the connection's.
func TestCloseWriteWhileAWriteIsBlocked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{BareClose: closeguard.NoClose}, 1024, func(below *closetest.PipeConn) net.Conn { return below })
		failed := make(chan error)
		go func() {
			_, err := c.Write(wireBytes(c.role, text(string(make([]byte, 10_000)))))
			failed <- err
		}()
		synctest.Wait()
		is(t, c.CloseWrite())
		if err := <-failed; err == nil {
			t.Error("the Write has succeeded")
		}
		c.send(closeWith(4002, ""))
		c.readAll()
		c.Close()
		c.ends("peer closed 4002, received 4002")
	})
}

// TLS ends its direction, too, and what is below TLS doesn't end with it.
func TestCloseWriteOverTLS(t *testing.T) {
	cert := certificate()
	bubble(t, func(t *testing.T) {
		c, peer := overTLS(t, cert, 64<<10)
		is(t, c.SetBareClose(closeguard.NoClose))
		is(t, c.CloseWrite())
		if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the peer reads %d, %v; want EOF", n, err)
		}
		peer.Write(wireBytes(closeguard.Client, closeWith(4002, "")))
		if err := c.readAll(); !errors.Is(err, io.EOF) {
			t.Errorf("Read: %v, want EOF", err)
		}
		synctest.Wait()
		if got := outcome(c.Event()); got != "peer closed 4002, received 4002" {
			t.Errorf("it ended as %s", got)
		}
		peer.Close()
		c.Close()
	})
}
