package closeguard_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// asTLS is a transport that looks like crypto/tls: a Write that a deadline cut
// can't be gone on with, and says that nothing left.
type asTLS struct {
	*closetest.PipeConn
	cut bool
}

func (c *asTLS) HandshakeContext(context.Context) error { return nil }
func (c *asTLS) NetConn() net.Conn                      { return c.PipeConn }

func (c *asTLS) Write(p []byte) (int, error) {
	if c.cut {
		return 0, &net.OpError{Op: "write", Net: "tls", Err: errCut{}}
	}
	n, err := c.PipeConn.Write(p)
	if isTimeout(err) {
		c.cut, n = true, 0
	}
	return n, err
}

type errCut struct{}

func (errCut) Error() string   { return "tls: use of a connection with a failed write" }
func (errCut) Timeout() bool   { return true }
func (errCut) Temporary() bool { return true }

func tlsLike(c *closetest.PipeConn) net.Conn { return &asTLS{PipeConn: c} }

// Rule 9: a Close of the guard's waits for the end of the frame that the
// library is in, whichever Write brings it.
func TestOurCloseWaitsForTheEndOfTheFrame(t *testing.T) {
	for _, role := range bothRoles {
		b := wireBytes(role, text("hello"))
		for at := 1; at < len(b); at++ {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				if n, err := c.Write(b[:at]); n != at || err != nil {
					t.Errorf("Write: %d, %v", n, err)
				}
				closed := make(chan error)
				go func() { closed <- c.CloseWith(context.Background(), closeguard.PolicyViolation, "") }()
				time.Sleep(time.Second)
				if n, err := c.Write(b[at:]); n != len(b)-at || err != nil {
					t.Errorf("cut at %d: Write of the rest of the frame: %d, %v", at, n, err)
				}
				c.peerGets("text hello | close 1008")
				c.after(time.Second)
				c.finish()
				if err := <-closed; err != nil {
					t.Errorf("CloseWith: %v", err)
				}
				c.ends("local closed 1008, sent 1008, received 1000, clean")
			})
		}
	}
}

// Nobody finishes the frame: at the limit the connection is aborted, and the
// event says what could not be sent.
func TestOurCloseInAFrameThatIsNeverFinished(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Write(wireBytes(c.role, text("hello"))[:4])
		err := c.CloseWith(context.Background(), closeguard.PolicyViolation, "x")
		is(t, err, net.ErrClosed, closeguard.ErrCloseIdle)
		c.after(5 * time.Second)
		c.peerSees("EOF in a frame")
		c.ends("dropped 1006, intended 1008 x")
	})
}

// The library closes while a Write of its is blocked. On plain TCP the guard
// finishes the frame that is being written, if at most 64 KiB of it are left,
// and n says exactly what left.
func TestCloseWhileAWriteIsBlocked(t *testing.T) {
	const room = 1000 // of the buffer
	const header = 10
	tests := []struct {
		name   string
		frames []frame
		n      int
		wire   string // none: aborted
		ended  string
	}{
		{"in a short frame", []frame{big(5000)}, room,
			"binary of 5000 bytes | close 1001", "local closed 1001, sent 1001, received 1000, clean"},
		{"in one of several", []frame{text("first"), big(5000), text("not begun")}, room,
			"text first | binary of 5000 bytes | close 1001", "local closed 1001, sent 1001, received 1000, clean"},
		{"between two", []frame{big(room - 4), big(70_000)}, room,
			"binary of 996 bytes | close 1001", "local closed 1001, sent 1001, received 1000, clean"},
		{"64 KiB left", []frame{big(room - header + 64<<10)}, room,
			fmt.Sprintf("binary of %d bytes | close 1001", room-header+64<<10), "local closed 1001, sent 1001, received 1000, clean"},
		{"more than 64 KiB left", []frame{big(room - header + 64<<10 + 1)}, room, "", "dropped 1006, intended 1001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, room, nil)
				wrote := make(chan error)
				go func() {
					n, err := c.Write(wireBytes(c.role, tt.frames...))
					if n != tt.n {
						t.Errorf("n = %d, want %d", n, tt.n)
					}
					wrote <- err
				}()
				time.Sleep(time.Second)
				closed := make(chan error)
				go func() { closed <- c.Close() }()
				is(t, <-wrote, net.ErrClosed)
				c.after(time.Second) // Close wakes the Write at once
				if err := <-closed; err != nil {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(c.began) - time.Second; took > 5*time.Millisecond {
					t.Errorf("Close took %v", took)
				}
				if tt.wire == "" {
					c.peerSees("EOF in a frame")
				} else {
					c.peerGets(tt.wire)
					c.send(closeWith(1000, ""))
					c.peer.Close()
				}
				c.ends(tt.ended)
			})
		})
	}
}

// A library that writes a frame in pieces goes on with it after its close cut
// one of them, and learns of the close with the last one.
func TestCloseWhileAPieceIsBlocked(t *testing.T) {
	const room = 1000 // of the buffer
	const clean = "local closed 1001, sent 1001, received 1000, clean"
	tests := []struct {
		name   string
		frame  frame
		pieces []int // where the frame is cut
		wire   string
		ended  string
	}{
		{"two", big(5000), []int{4096}, "binary of 5000 bytes | close 1001", clean},
		{"three", big(5000), []int{2000, 4096}, "binary of 5000 bytes | close 1001", clean},
		{"64 KiB left", big(room - 10 + 64<<10), []int{4096}, fmt.Sprintf("binary of %d bytes | close 1001", room-10+64<<10), clean},
		{"more than 64 KiB left", big(room - 10 + 64<<10 + 1), []int{4096}, "", "dropped 1006, intended 1001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, room, nil)
				wrote := make(chan error)
				go func() {
					b, from := wireBytes(c.role, tt.frame), 0
					for _, at := range append(tt.pieces, len(b)) {
						if n, err := c.Write(b[from:at]); err != nil {
							wrote <- err
							return
						} else if n != at-from {
							t.Errorf("n = %d, want %d", n, at-from)
						}
						from = at
					}
					wrote <- nil
				}()
				time.Sleep(time.Second)
				if err := c.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				is(t, <-wrote, net.ErrClosed)
				if tt.wire == "" {
					c.peerSees("EOF in a frame")
				} else {
					c.peerGets(tt.wire)
					c.send(closeWith(1000, ""))
					c.peer.Close()
				}
				c.ends(tt.ended)
			})
		})
	}
}

// unhurried is a transport whose Write takes a millisecond, whatever the deadline.
type unhurried struct{ *closetest.PipeConn }

func (c unhurried) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	c.PipeConn.SetWriteDeadline(time.Time{})
	return c.PipeConn.Write(p)
}

// The same where the transport takes the piece whole, and where the close falls
// between two of them.
func TestCloseBetweenPieces(t *testing.T) {
	closes := map[string]func(c *guarded, meanwhile func()){
		"1001": func(c *guarded, meanwhile func()) { meanwhile(); c.Close() },
		"1000": func(c *guarded, meanwhile func()) { c.Driver().Serve(func() error { meanwhile(); return nil }) },
	}
	for _, role := range bothRoles {
		for code, end := range closes {
			for _, between := range []bool{false, true} {
				t.Run(fmt.Sprint(role, " ", code, " between=", between), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						c := guardPipe(t, role, closeguard.Options{}, 64<<10, func(p *closetest.PipeConn) net.Conn { return unhurried{p} })
						c.write(text("first")) // from here on Writes take their turn without a lock
						b := wireBytes(role, big(5000))
						wrote := make(chan error, 1)
						end(c, func() {
							go func() {
								_, err := c.Write(b[:4096])
								if between {
									time.Sleep(time.Millisecond)
								}
								if err == nil {
									_, err = c.Write(b[4096:])
								}
								wrote <- err
							}()
							if between {
								time.Sleep(time.Millisecond)
							}
							synctest.Wait()
						})
						is(t, <-wrote, net.ErrClosed)
						c.peerGets("text first | binary of 5000 bytes | close " + code)
						c.send(closeWith(1000, ""))
						c.peer.Close()
						c.ends("local closed " + code + ", sent " + code + ", received 1000, clean")
					})
				})
			}
		}
	}
}

// The pieces that it owes never come: the limits hold.
func TestCloseWhileAPieceIsBlockedAndTheRestNeverComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, nil)
		wrote := make(chan error)
		go func() { _, err := c.Write(wireBytes(c.role, big(5000))[:4096]); wrote <- err }()
		time.Sleep(time.Second)
		c.Close()
		if err := <-wrote; err != nil {
			t.Errorf("Write: %v", err)
		}
		c.peerSees("EOF in a frame")
		is(t, c.ends("dropped 1006, intended 1001"), net.ErrClosed, closeguard.ErrBareClose, closeguard.ErrCloseIdle)
		c.after(6 * time.Second)
	})
}

// Without a peer that reads, the frame can't be finished either.
func TestCloseWhileAWriteIsBlockedForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, nil)
		wrote := make(chan error)
		go func() { _, err := c.Write(wireBytes(c.role, big(5000))); wrote <- err }()
		time.Sleep(time.Second)
		c.Close()
		is(t, <-wrote, net.ErrClosed)
		is(t, c.ends("dropped 1006, intended 1001"), net.ErrClosed, closeguard.ErrBareClose, closeguard.ErrCloseIdle)
		c.after(6 * time.Second)
	})
}

// On TLS a Write that was cut can't be gone on with: the guard gives it a
// moment, aborts, and the event says so.
func TestCloseWhileAWriteIsBlockedOnTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, tlsLike)
		wrote := make(chan error)
		go func() { _, err := c.Write(wireBytes(c.role, big(5000))); wrote <- err }()
		time.Sleep(time.Second)
		c.Close()
		is(t, <-wrote, net.ErrClosed)
		is(t, c.ends("dropped 1006, intended 1001"), net.ErrClosed, closeguard.ErrBareClose)
		if took := time.Since(c.began) - time.Second; took > 5*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// A handler's deferred Close is only a mark: a Write that will be over in a
// moment isn't cut for it on TLS, where that would be the end of the connection.
func TestTheHandlersCloseDuringAWriteOnTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, tlsLike)
		wrote := make(chan error, 1)
		go func() {
			time.Sleep(time.Millisecond)
			c.peerGets("binary of 5000 bytes | close 1000")
			c.send(closeWith(1000, ""))
			c.peer.Close()
		}()
		c.Driver().Serve(func() error {
			go func() { _, err := c.Write(wireBytes(c.role, big(5000))); wrote <- err }()
			synctest.Wait()
			return c.Close()
		})
		if err := <-wrote; err != nil {
			t.Errorf("Write: %v", err)
		}
		c.ends("local closed 1000, sent 1000, received 1000, clean")
	})
}

// The same with the library's own Close in the Write that is cut.
func TestCloseWhileTheLibrarysCloseIsBlocked(t *testing.T) {
	for _, tt := range []struct {
		name   string
		around func(*closetest.PipeConn) net.Conn
		ended  string
	}{
		{"TCP", nil, "local closed 1008, sent 1008 bad token, received 1000, clean"},
		{"TLS", tlsLike, "dropped 1006, intended 1008 bad token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, tt.around)
				c.write(big(990)) // 6 bytes of room
				wrote := make(chan error)
				go func() { _, err := c.Write(wireBytes(c.role, closeWith(1008, "bad token"))); wrote <- err }()
				time.Sleep(time.Second)
				c.Close()
				is(t, <-wrote, net.ErrClosed)
				if tt.around == nil {
					c.peerGets("binary of 990 bytes | close 1008 bad token")
					c.send(closeWith(1000, ""))
					c.peer.Close()
				}
				ev := c.ends(tt.ended)
				is(t, ev, net.ErrClosed) // and not ErrBareClose: there was a Close
			})
		})
	}
}

// A handler's deferred Close while a Write is blocked is a mark; the frame is
// finished and the handler's Close follows it.
func TestServeWithABlockedWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, nil)
		c.Driver().Serve(func() error {
			wrote := make(chan error)
			go func() { _, err := c.Write(wireBytes(c.role, big(5000))); wrote <- err }()
			synctest.Wait()
			c.Close()
			is(t, <-wrote, net.ErrClosed)
			return nil
		})
		c.peerGets("binary of 5000 bytes | close 1000")
		c.send(closeWith(1000, ""))
		c.peer.Close()
		c.ends("local closed 1000, sent 1000, received 1000, clean")
	})
}

// A Write that the library's own deadline cut inside a frame: the library may
// finish it, and the guard's Close waits for that.
func TestCloseWithAfterAWriteThatWasCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 1000, nil)
		b := wireBytes(c.role, big(1100))
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(b)
		if n != 1000 || !isTimeout(err) {
			t.Errorf("Write: %d, %v", n, err)
		}
		closers[1].close(c)
		go func() {
			c.SetWriteDeadline(time.Time{})
			if n, err := c.Write(b[n:]); n != 104 || err != nil {
				t.Errorf("Write of the rest: %d, %v", n, err)
			}
		}()
		c.peerGets("binary of 1100 bytes | close 1008")
		c.finish()
		c.ends("local closed 1008, sent 1008, received 1000, clean")
	})
}
