package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// closers are the ways in which our Close can get out before the library
// writes on.
var closers = []struct {
	name  string
	close func(c *guarded)
}{
	{"the library's", func(c *guarded) { c.write(closeWith(1008, "")) }},
	{"the guard's", func(c *guarded) {
		c.CloseWith(canceled(c.t), closeguard.PolicyViolation, "")
	}},
}

// canceled is for a CloseWith that shall not wait.
func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Rule 3: once a Close is out, data and pings fail with an error that is
// net.ErrClosed, pongs and Closes are swallowed. However the bytes are cut, n
// counts whole frames in the caller's terms and nothing reaches the peer.
func TestNothingFollowsOurClose(t *testing.T) {
	tests := []struct {
		name   string
		frames []frame
		taken  int // how many of the frames are; all: no error
	}{
		{"text", []frame{text("late")}, 0},
		{"an empty message", []frame{text("")}, 0},
		{"a fragment", []frame{start("late")}, 0},
		{"the rest of a message", []frame{end("late")}, 0},
		{"64 KiB", []frame{big(1 << 16)}, 0},
		{"ping", []frame{ping("are you there")}, 0},
		{"pong", []frame{pong("yes")}, 1},
		{"empty pong", []frame{pong("")}, 1},
		{"Close", []frame{closeWith(1000, "again")}, 1},
		{"empty Close", []frame{closing("")}, 1},
		{"illegal Close", []frame{closeWith(1006, "")}, 1},
		{"pongs and a Close", []frame{pong("a"), pong(""), closing(""), pong("b")}, 4},
		{"pong, then text", []frame{pong("yes"), text("late"), pong("no")}, 1},
		{"Close, then ping", []frame{closing(""), ping("")}, 1},
	}
	for _, closer := range closers {
		for _, role := range bothRoles {
			for _, tt := range tests {
				t.Run(fmt.Sprint(closer.name, " Close from a ", role, ", then ", tt.name), func(t *testing.T) {
					b := wireBytes(role, tt.frames...)
					taken := len(wireBytes(role, tt.frames[:tt.taken]...))
					for at := 0; at < len(b) && at < 40; at++ {
						bubble(t, func(t *testing.T) {
							c := guard(t, role, closeguard.Options{})
							closer.close(c)
							c.peerGets("close 1008")
							n, err := c.Write(b[:at])
							if err == nil {
								var m int
								m, err = c.Write(b[at:])
								n += m
							}
							// The header of a frame that is refused may be taken as far
							// as it came alone.
							if all := taken == len(b); all != (err == nil) || err == nil && n != taken || err != nil && (n < min(taken, at) || n > max(taken, at)) {
								t.Errorf("cut at %d: %d, %v; of %d bytes %d may be taken", at, n, err, len(b), taken)
							}
							if err != nil {
								is(t, err, net.ErrClosed)
							}
							c.peerGetsNothing()
							c.finish()
						})
					}
				})
			}
		}
	}
}

// A library that doesn't give up gets the error again, and may send a pong.
func TestWritesKeepFailingAfterOurClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(closeWith(1000, ""))
		for range 3 {
			n, err := c.Write(wireBytes(c.role, text("late")))
			closedCall(t, n, err)
			c.write(pong(""))
			n, err = c.Write(wireBytes(c.role, ping("")))
			closedCall(t, n, err)
		}
		c.peerGets("close 1000")
		c.finish()
	})
}

// The guard's Close gets out while the library has handed over a part of its
// own: the rest is swallowed, too.
func TestTheGuardsCloseOvertakesTheLibrarys(t *testing.T) {
	for _, role := range bothRoles {
		b := wireBytes(role, closeWith(1000, "bye"))
		for at := 1; at < len(b); at++ {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				c.Write(b[:at])
				closers[1].close(c)
				c.peerGets("close 1008")
				if n, err := c.Write(b[at:]); n != len(b)-at || err != nil {
					t.Errorf("cut at %d: Write of the rest: %d, %v", at, n, err)
				}
				c.write(pong("yes"))
				n, err := c.Write(wireBytes(role, text("late")))
				closedCall(t, n, err)
				c.finish()
				c.ends("local closed 1008, sent 1008, received 1000, clean")
			})
		}
	}
}

// The guard's Close is due when the library writes the rest of a frame and more:
// it leaves at the boundary, pongs and Closes behind it count as written.
func TestTheGuardsCloseInTheMiddleOfAWrite(t *testing.T) {
	tests := []struct {
		name   string
		behind []frame
		taken  int
	}{
		{"nothing", nil, 0},
		{"pong", []frame{pong("yes")}, 1},
		{"Close", []frame{closeWith(1000, "")}, 1},
		{"Close and pong", []frame{closeWith(1000, ""), pong("")}, 2},
		{"text", []frame{text("late")}, 0},
		{"pong and text", []frame{pong(""), text("late")}, 1},
	}
	for _, role := range bothRoles {
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.name, " from a ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					b := wireBytes(role, append([]frame{text("hello")}, tt.behind...)...)
					taken := len(wireBytes(role, append([]frame{text("hello")}, tt.behind[:tt.taken]...)...))
					c.Write(b[:3])
					closers[1].close(c)
					n, err := c.Write(b[3:])
					if n != taken-3 || (err == nil) != (taken == len(b)) {
						t.Errorf("Write of %d bytes: %d, %v; want %d", len(b)-3, n, err, taken-3)
					}
					if err != nil {
						is(t, err, net.ErrClosed)
					}
					c.peerGets("text hello | close 1008")
					c.finish()
					c.ends("local closed 1008, sent 1008, received 1000, clean")
				})
			})
		}
	}
	t.Run("a pong in two pieces", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{})
			b := wireBytes(c.role, text("hello"), pong("yes"))
			c.Write(b[:3])
			closers[1].close(c)
			for _, piece := range [][]byte{b[3 : len(b)-2], b[len(b)-2:]} {
				if n, err := c.Write(piece); n != len(piece) || err != nil {
					t.Errorf("Write of %d bytes: %d, %v", len(piece), n, err)
				}
			}
			n, err := c.Write(wireBytes(c.role, text("late")))
			closedCall(t, n, err)
			c.peerGets("text hello | close 1008")
			c.finish()
		})
	})
}

// The same where the rest of the frame has to wait for room.
func TestTheGuardsCloseDuringAWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		wrote := make(chan error)
		go func() {
			b := wireBytes(c.role, big(100_000), closeWith(1000, "too late"))
			n, err := c.Write(b)
			if n != len(b) {
				t.Errorf("Write of %d bytes: %d", len(b), n)
			}
			wrote <- err
		}()
		time.Sleep(time.Second)
		closers[1].close(c)
		c.peerGets("binary of 100000 bytes | close 1008")
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		c.finish()
		c.ends("local closed 1008, sent 1008, received 1000, clean")
	})
}

// While the guard's Close waits for room the library is treated as if it were
// out already: nothing waits behind it, but that a Close gives it a moment.
func TestWriteWhileTheGuardsCloseWaitsForRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4)) // the buffer is full
		closers[1].close(c)
		n, err := c.Write(wireBytes(c.role, text("late")))
		closedCall(t, n, err)
		c.write(pong("yes"))
		c.after(0)
		c.write(closeWith(1000, ""))
		c.after(5 * time.Millisecond)
		c.peerGets("binary of 65532 bytes | close 1008")
		c.finish()
		c.ends("local closed 1008, sent 1008, received 1000, clean")
	})
}

// One Close goes out, whoever else wants to close while it does.
func TestOneCloseOnly(t *testing.T) {
	for name, second := range map[string]func(c *guarded){
		"CloseWith": closers[1].close,
		"Shutdown": func(c *guarded) {
			ctx, cancel := context.WithTimeout(c.t.Context(), time.Millisecond)
			defer cancel()
			c.guard.Shutdown(ctx)
		},
		"the library again": func(c *guarded) { go c.Write(wireBytes(c.role, closeWith(1011, ""))) },
	} {
		t.Run(name+" while the library's Close waits for room", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.write(big(1<<16 - 6))
				wrote := make(chan error)
				go func() {
					_, err := c.Write(wireBytes(c.role, closeWith(1000, "first")))
					wrote <- err
				}()
				time.Sleep(time.Second)
				if name == "Shutdown" {
					go second(c)
				} else {
					second(c)
				}
				time.Sleep(time.Microsecond)
				c.peerGets("binary of 65530 bytes | close 1000 first")
				c.peerGetsNothing()
				if err := <-wrote; err != nil {
					t.Error(err)
				}
				c.finish()
				c.ends("local closed 1000, sent 1000 first, received 1000, clean")
			})
		})
	}
}

// What the library's deadline cuts off of its Close, the guard sends.
func TestTheGuardFinishesALibrarysClose(t *testing.T) {
	for _, role := range bothRoles {
		whole := len(wireBytes(role, closeWith(1008, "bad token")))
		for room := range whole {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, role, closeguard.Options{}, 1000, nil)
				filler := big(1000 - room - len(wireBytes(role, big(500))) + 500)
				c.write(filler)
				c.SetWriteDeadline(time.Now().Add(time.Second))
				n, err := c.Write(wireBytes(role, closeWith(1008, "bad token")))
				if n != 0 || !isTimeout(err) {
					t.Errorf("with room for %d bytes, Write: %d, %v; want a timeout", room, n, err)
				}
				c.after(time.Second)
				c.peerGets(fmt.Sprintf("binary of %d bytes | close 1008 bad token", len(filler.payload)))
				c.finish()
				c.ends("local closed 1008, sent 1008 bad token, received 1000, clean")
			})
		}
	}
}

// The same with a deadline that had passed before.
func TestTheGuardSendsACloseThatCameTooLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.SetWriteDeadline(time.Now().Add(-time.Second))
		if n, err := c.Write(wireBytes(c.role, closeWith(1000, ""))); n != 0 || !isTimeout(err) {
			t.Errorf("Write: %d, %v; want a timeout", n, err)
		}
		c.peerGets("close 1000")
		c.finish()
		c.ends("local closed 1000, sent 1000, received 1000, clean")
	})
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
