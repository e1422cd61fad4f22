package closeguard_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Rule 6: the peer is in the middle of an upload when we close. What it sends is
// discarded in the background, and it learns the code.
func TestUploadIsDrained(t *testing.T) {
	const upload = 1 << 20
	tests := []struct {
		name  string
		close func(c *guarded) // returns when the library is done
		wire  string
		ended string
	}{
		{"closed without a Close", func(c *guarded) { c.Close() }, "close 1001", "local closed 1001, sent 1001, received 1009, clean"},
		{"Close, then closed", func(c *guarded) {
			c.write(closeWith(1009, "too big"))
			c.Close()
		}, "close 1009 too big", "local closed 1009, sent 1009 too big, received 1009, clean"},
		{"Close, and never read again", func(c *guarded) { c.write(closeWith(1009, "")) },
			"close 1009", "local closed 1009, sent 1009, received 1009, clean"},
		{"CloseWith", func(c *guarded) {
			if err := c.CloseWith(context.Background(), closeguard.MessageTooBig, ""); err != nil {
				c.t.Errorf("CloseWith: %v", err)
			}
		}, "close 1009", "local closed 1009, sent 1009, received 1009, clean"},
		{"CloseNow after a Close", func(c *guarded) {
			c.write(closeWith(1009, ""))
			c.Driver().CloseNow()
		}, "close 1009", "local closed 1009, sent 1009, received 1009, clean"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				uploaded := make(chan error)
				go func() {
					_, err := c.peer.Write(wireBytes(closeguard.Client, big(upload)))
					if err == nil { // as a browser does it: it looks at what came when it has sent its message
						c.peerGets(tt.wire)
						_, err = c.peer.Write(wireBytes(closeguard.Client, closeWith(1009, "")))
					}
					uploaded <- err
				}()
				c.Read(make([]byte, 100))
				tt.close(c)
				if err := <-uploaded; err != nil {
					t.Errorf("upload: %v", err)
				}
				c.peerSees("EOF")
				c.ends(tt.ended)
			})
		})
	}
}

// Close wakes every blocked Read and Write at once, and all later calls fail.
func TestCloseWakesBlockedCalls(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{})
				errs := make(chan error)
				for range 2 { // the second of each waits for its turn
					go func() {
						n, err := c.Read(make([]byte, 100))
						closedCall(t, n, err)
						errs <- err
					}()
					go func() {
						_, err := c.Write(wireBytes(role, big(100_000)))
						is(t, err, net.ErrClosed)
						errs <- err
					}()
				}
				time.Sleep(time.Second)
				go c.Close()
				for range 4 {
					<-errs
				}
				c.after(time.Second)
				for range 2 {
					n, err := c.Read(make([]byte, 100))
					closedCall(t, n, err)
					n, err = c.Write(wireBytes(role, text("x")))
					closedCall(t, n, err)
					for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline, c.SetWriteDeadline} {
						is(t, set(time.Now().Add(time.Hour)), net.ErrClosed)
					}
					is(t, c.Close(), net.ErrClosed)
				}
				c.peer.Close()
				<-c.Done()
			})
		})
	}
}

// A library that sent a Close and has no Read in flight for a second doesn't
// read on: the guard does. Until then the library may.
func TestTakeover(t *testing.T) {
	t.Run("no Read at all", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{})
			c.write(closeWith(1000, ""))
			began := time.Now()
			c.send(big(200_000)) // blocks until somebody reads
			if took := time.Since(began); took != time.Second {
				t.Errorf("the guard read after %v", took)
			}
			n, err := c.Read(make([]byte, 1))
			closedCall(t, n, err)
			c.after(time.Second) // at once
			c.finish()
			c.ends("local closed 1000, sent 1000, received 1000, clean")
		})
	})
	t.Run("a Read now and then", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{})
			c.write(closeWith(1000, ""))
			for range 3 {
				time.Sleep(999 * time.Millisecond)
				c.send(text("more"))
				c.read(text("more"))
			}
			c.send(closeWith(1000, ""))
			c.read(closeWith(1000, ""))
			c.ends("local closed 1000, sent 1000, received 1000, clean")
		})
	})
	t.Run("a Read that ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{})
			c.write(closeWith(1000, ""))
			go func() {
				time.Sleep(2500 * time.Millisecond)
				c.send(text("more"))
				time.Sleep(time.Millisecond)
				c.send(big(200_000))
				c.after(3500 * time.Millisecond)
				c.send(closeWith(1000, ""))
			}()
			c.read(text("more"))
			c.ends("local closed 1000, sent 1000, received 1000, clean")
			c.after(3500 * time.Millisecond)
		})
	})
	t.Run("a short CloseIdle", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseIdle: 100 * time.Millisecond})
			c.write(closeWith(1000, ""))
			c.send(big(70_000))
			c.after(50 * time.Millisecond)
			c.finish()
			c.ends("local closed 1000, sent 1000, received 1000, clean")
		})
	})
}

// The peer writes before it reads, and so do we: the guard reads while its
// Close waits for room, or both would wait for ever.
func TestTheGuardReadsWhileItsCloseWaits(t *testing.T) {
	tests := []struct {
		name  string
		close func(c *guarded)
		sent  string
	}{
		{"CloseWith", func(c *guarded) { c.CloseWith(context.Background(), 4000, "") }, "4000"},
		{"a bare close", func(c *guarded) { c.Close() }, "1001"},
		{"the library's Close", func(c *guarded) { c.Write(wireBytes(c.role, closeWith(4000, ""))) }, "4000"},
		{"a shutdown", func(c *guarded) { c.guard.Shutdown(context.Background()) }, "1001 server shutting down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.write(big(1<<16 - 4)) // our direction is full
				go tt.close(c)
				c.send(big(1 << 20))
				c.peerGets("binary of 65532 bytes | close " + tt.sent)
				if took := time.Since(c.began); took > time.Second {
					t.Errorf("it took %v", took)
				}
				c.send(closeWith(1000, ""))
				c.peer.Close()
				c.ends("local closed " + tt.sent[:4] + ", sent " + tt.sent + ", received 1000, clean")
			})
		})
	}
}

// The end of TCP: not before the peer's Close, then at once, or after a moment
// if bytes followed it. A client first waits for the server's end.
func TestEndOfTCP(t *testing.T) {
	type step func(c *guarded)
	closes := []struct {
		name string
		us   step
	}{
		{"closed", func(c *guarded) { c.write(closeWith(1000, "")); c.Close() }},
		{"reading on", func(c *guarded) { c.write(closeWith(1000, "")); go c.readAll() }},
		{"answering", nil},
	}
	tests := []struct {
		name   string
		role   closeguard.Role
		behind []frame          // in one segment with the peer's Close
		peer   func(c *guarded) // what it does then
		eof    time.Duration    // when the peer sees our EOF
		over   time.Duration
	}{
		{"a server", closeguard.Server, nil, nil, 0, 0},
		{"a server, bytes behind the Close", closeguard.Server, []frame{text("x")}, nil, 0, time.Second},
		{"a server, bytes behind the Close, and the peer closes", closeguard.Server, []frame{text("x")}, closesAfter(300 * time.Millisecond), 0, 300 * time.Millisecond},
		{"a server, and no end of bytes", closeguard.Server, []frame{text("x")}, writesOn, 0, time.Second},
		{"a client", closeguard.Client, nil, nil, time.Second, time.Second},
		{"a client, and the server closes", closeguard.Client, nil, closesAfter(300 * time.Millisecond), 0, 300 * time.Millisecond},
		{"a client, and the server writes on", closeguard.Client, nil, writesOn, time.Second, time.Second},
	}
	for _, tt := range tests {
		for _, closed := range closes {
			t.Run(tt.name+", "+closed.name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, tt.role, closeguard.Options{})
					want := "local closed 1000, sent 1000, received 1000, clean"
					frames := append([]frame{closeWith(1000, "")}, tt.behind...)
					if closed.us != nil {
						closed.us(c)
						c.peerGets("close 1000")
						time.Sleep(100 * time.Millisecond)
						c.peerGetsNothing() // no EOF before its Close
						c.began = time.Now()
						c.send(frames...)
					} else {
						want = "peer closed 1000, sent 1000, received 1000, clean"
						c.send(frames...)
						c.read(frames...)
						c.write(closeWith(1000, ""))
						c.peerGets("close 1000")
					}
					done := make(chan struct{})
					go func() {
						defer close(done)
						if tt.peer != nil {
							tt.peer(c)
						}
					}()
					if tt.peer == nil || tt.role == closeguard.Server {
						c.peerSees("EOF")
						c.after(tt.eof)
					}
					ev := c.ends(want)
					c.after(tt.over)
					if closed.us != nil && ev.End().Handshake-tt.over > 101*time.Millisecond {
						t.Errorf("Handshake is %v", ev.End().Handshake)
					}
					<-done
				})
			})
		}
	}
}

func closesAfter(d time.Duration) func(*guarded) {
	return func(c *guarded) {
		time.Sleep(d)
		c.peer.CloseWrite()
	}
}

func writesOn(c *guarded) {
	for {
		if _, err := c.peer.Write(bytes.Repeat([]byte{0}, 1000)); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// EOF or a reset in place of the answer: it is over at once.
func TestNoAnswer(t *testing.T) {
	for _, role := range bothRoles {
		for name, tt := range map[string]struct {
			end    func(c *guarded)
			causes []error
		}{
			"EOF":   {func(c *guarded) { c.peer.Close() }, []error{net.ErrClosed, io.EOF}},
			"reset": {func(c *guarded) { c.peer.Reset() }, []error{net.ErrClosed, syscall.ECONNRESET}},
		} {
			t.Run(fmt.Sprint(name, " for a ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					c.write(closeWith(1000, ""))
					c.Close()
					c.peerGets("close 1000")
					time.Sleep(time.Second)
					tt.end(c)
					is(t, c.ends("local closed 1000, sent 1000"), tt.causes...)
					c.after(time.Second)
				})
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					c.write(closeWith(1000, ""))
					go func() {
						time.Sleep(time.Second)
						c.peerGets("close 1000")
						tt.end(c)
					}()
					is(t, c.readAll(), tt.causes[1])
					is(t, c.ends("local closed 1000, sent 1000"), tt.causes...)
					c.after(time.Second)
					n, err := c.Read(make([]byte, 1))
					closedCall(t, n, err)
				})
			})
		}
	}
}

// CloseWith on a connection that has ended underneath ends it, and doesn't wait
// for what can't come.
func TestCloseWithAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.peer.CloseWrite()
		is(t, c.readAll(), io.EOF)
		err := c.CloseWith(context.Background(), 1000, "late")
		is(t, err, io.EOF)
		c.after(0)
		c.peerSees("EOF")
		c.ends("dropped 1006, intended 1000 late")
		is(t, c.CloseWith(context.Background(), 1000, ""), io.EOF)
	})
}

// CloseWith waits for the end, or for its context; a second one sends nothing
// and waits, too.
func TestCloseWithWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is(t, c.CloseWith(short, 4000, "first"), context.DeadlineExceeded)
		c.after(time.Second)
		second := make(chan error)
		go func() { second <- c.CloseWith(context.Background(), 4001, "second") }()
		time.Sleep(time.Second)
		c.peerGets("close 4000 first")
		c.peerGetsNothing()
		c.send(closeWith(4000, ""))
		if err := <-second; err != nil {
			t.Errorf("CloseWith: %v", err)
		}
		c.after(2*time.Second + time.Nanosecond)
		c.ends("local closed 4000, sent 4000 first, received 4000, clean")
	})
}

// Over MaxClosing the connection is ended that has gone longest without a byte
// from its peer; those that Shutdown closed don't count.
func TestEviction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{MaxClosing: 2, Observers: []closeguard.Observer{log}})
		var conns []*guarded
		for range 4 {
			c := log.open(t, g, closeguard.Server)
			conns = append(conns, c)
		}
		for i, c := range conns[:2] {
			c.Close()
			time.Sleep(time.Duration(i+1) * time.Second)
		}
		conns[0].send(pong("alive")) // so the second one is the oldest
		time.Sleep(time.Second)
		conns[2].Close()
		is(t, conns[1].ended("local closed 1001, sent 1001"), net.ErrClosed, closeguard.ErrBareClose, closeguard.ErrEvicted)
		conns[1].peerSees("close 1001 | EOF")
		go g.Shutdown(context.Background())
		time.Sleep(2 * time.Second) // the guard reads for the last one, too
		for _, i := range []int{0, 2, 3} {
			select {
			case <-conns[i].Done():
				t.Errorf("connection %d ended, too", i)
			default:
			}
			conns[i].finish()
		}
	})
}

// A Read that goes on behind the peer's Close while ours waits for room is woken,
// too, at once.
func TestCloseWakesAReadOfThePeersClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4))
		read := make(chan error)
		go func() { read <- c.readAll() }()
		time.Sleep(time.Second)
		closers[1].close(c) // it will wait for room
		c.send(closeWith(1000, ""))
		time.Sleep(100 * time.Millisecond)
		go c.Close()
		is(t, <-read, net.ErrClosed)
		c.after(1100 * time.Millisecond)
		c.peerGets("binary of 65532 bytes | close 1008")
		c.peer.Close()
		<-c.Done()
	})
}
