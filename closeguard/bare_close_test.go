package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// readUntil reads once with a deadline that passes.
func (c *guarded) readTimesOut() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := c.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("Read: %v, want a timeout", err)
	}
}

// No Close is made up unless the program asks for it.
func TestBareCloseIsSilentByDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, err := closeguard.New(closeguard.Options{})
		is(t, err)
		nc, peer := closetest.Pipe()
		c, err := g.WrapConn(nc, closeguard.Server)
		is(t, err)
		is(t, c.Close())
		if got, err := io.ReadAll(peer); len(got) > 0 || err != nil {
			t.Errorf("the peer got %q, %v; want the end alone", got, err)
		}
	})
}

// Rule 5: a library that closes TCP without a Close gets one sent, unless EOF,
// reset, write failure or a timeout came before or the wire is inside a frame.
func TestBareClose(t *testing.T) {
	bare := []error{net.ErrClosed, closeguard.ErrBareClose}
	tests := []struct {
		name   string
		opts   closeguard.Options
		before func(c *guarded)
		wire   string // what the peer gets last, if it isn't the end of the stream
		ended  string
		causes []error
	}{
		{"nothing was sent", closeguard.Options{}, func(*guarded) {},
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", bare},
		{"with a code of choice", closeguard.Options{BareClose: 4321}, func(*guarded) {},
			"close 4321", "local closed 4321, sent 4321, received 1000, clean", bare},
		{"without a code", closeguard.Options{BareClose: closeguard.NoStatusReceived}, func(*guarded) {},
			"close empty", "local closed 1005, sent 1005, received 1000, clean", bare},
		{"with a code of this connection's alone", closeguard.Options{BareClose: 4321}, func(c *guarded) { is(c.t, c.SetBareClose(4322)) },
			"close 4322", "local closed 4322, sent 4322, received 1000, clean", bare},
		{"switched off for this connection alone", closeguard.Options{BareClose: 4321}, func(c *guarded) { is(c.t, c.SetBareClose(closeguard.NoClose)) },
			"", "dropped 1006", bare},
		{"with a code that may not be sent", closeguard.Options{BareClose: 4321}, func(c *guarded) {
			if err := c.SetBareClose(1006); err == nil || !strings.Contains(err.Error(), "1006 must not appear in a frame") {
				c.t.Errorf("SetBareClose: %v", err)
			}
		}, "close 4321", "local closed 4321, sent 4321, received 1000, clean", bare},
		{"switched off", closeguard.Options{BareClose: closeguard.NoClose}, func(*guarded) {},
			"", "dropped 1006", bare},

		{"between fragments", closeguard.Options{}, func(c *guarded) { c.write(start("half")) },
			"start half | close 1001", "local closed 1001, sent 1001, received 1000, clean", bare},
		{"inside a header", closeguard.Options{}, func(c *guarded) { c.Write(wireBytes(c.role, text("hello"))[:1]) },
			"EOF in a frame", "dropped 1006, intended 1001", bare},
		{"inside a frame", closeguard.Options{}, func(c *guarded) { c.Write(wireBytes(c.role, text("hello"))[:6]) },
			"EOF in a frame", "dropped 1006, intended 1001", bare},
		{"inside the library's Close", closeguard.Options{}, func(c *guarded) { c.Write(wireBytes(c.role, closeWith(1008, "x"))[:4]) },
			"close 1001", "local closed 1001, sent 1001, received 1000, clean", bare},
		{"the library's Close is out", closeguard.Options{}, func(c *guarded) { c.write(closeWith(1008, "x")) },
			"close 1008 x", "local closed 1008, sent 1008 x, received 1000, clean", []error{net.ErrClosed}},

		{"a Read timed out", closeguard.Options{}, (*guarded).readTimesOut,
			"", "dropped 1006", []error{net.ErrClosed, os.ErrDeadlineExceeded}},
		{"a Read timed out, then bytes came", closeguard.Options{}, func(c *guarded) {
			c.readTimesOut()
			c.SetReadDeadline(time.Time{})
			c.send(pong(""))
			c.read(pong(""))
		}, "close 1001", "local closed 1001, sent 1001, received 1000, clean", bare},
		{"a Write timed out", closeguard.Options{}, func(c *guarded) {
			c.SetWriteDeadline(time.Now().Add(-time.Second))
			if _, err := c.Write(wireBytes(c.role, text("late"))); !errors.Is(err, os.ErrDeadlineExceeded) {
				c.t.Errorf("Write: %v, want a timeout", err)
			}
		}, "", "dropped 1006", []error{net.ErrClosed, os.ErrDeadlineExceeded}},

		{"EOF was read", closeguard.Options{}, func(c *guarded) {
			c.peer.CloseWrite()
			is(c.t, c.readAll(), io.EOF)
		}, "", "dropped 1006", []error{io.EOF}},
		{"EOF was read, then the library's Close written", closeguard.Options{}, func(c *guarded) {
			c.peer.CloseWrite()
			is(c.t, c.readAll(), io.EOF)
			c.write(closeWith(1011, "EOF"))
		}, "close 1011 EOF", "dropped 1006, sent 1011 EOF", []error{io.EOF}}, // it may still read

		{"the peer's Close was not answered", closeguard.Options{}, func(c *guarded) {
			c.send(closeWith(4000, "bye"))
			c.read(closeWith(4000, "bye"))
		}, "close 4000 bye", "peer closed 4000, sent 4000 bye, received 4000 bye, clean", nil},
		{"the peer's Close was not answered, and a timeout", closeguard.Options{}, func(c *guarded) {
			c.send(closeWith(4000, "bye"))
			c.read(closeWith(4000, "bye"))
			c.SetWriteDeadline(time.Now().Add(-time.Second))
			c.Write(wireBytes(c.role, text("late")))
		}, "close 4000 bye", "peer closed 4000, sent 4000 bye, received 4000 bye, clean", nil},
		{"the peer's Close was not answered, switched off", closeguard.Options{BareClose: closeguard.NoClose}, func(c *guarded) {
			c.send(closeWith(4000, "bye"))
			c.read(closeWith(4000, "bye"))
		}, "close 4000 bye", "peer closed 4000, sent 4000 bye, received 4000 bye, clean", nil},
		{"the peer's Close has come in part", closeguard.Options{}, func(c *guarded) {
			c.sendBytes(wireBytes(other(c.role), closeWith(4000, "bye"))[:3])
			c.Read(make([]byte, 3))
		}, "close 1001", "", bare},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, ", ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, tt.opts)
					tt.before(c)
					began := time.Now()
					if err := c.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					var patience time.Duration
					if tt.wire == "EOF in a frame" {
						patience = 5 * time.Millisecond // the library may be about to write the rest
					}
					if took := time.Since(began); took != patience {
						t.Errorf("Close took %v, want %v", took, patience)
					}
					is(t, c.Close(), net.ErrClosed)
					switch tt.wire {
					case "", "EOF in a frame":
						if tt.wire == "" {
							tt.wire = "EOF"
						}
						c.peerSees(tt.wire)
					default:
						c.peerGets(tt.wire)
						c.peer.Write(wireBytes(other(role), closeWith(1000, "")))
						c.peer.Close()
					}
					if tt.ended == "" {
						<-c.Done()
						return
					}
					is(t, c.ends(tt.ended), tt.causes...)
				})
			})
		}
	}
}

// A reset and a write that failed end the connection, too.
func TestBareCloseAfterAFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		before func(c *guarded)
		cause  error
	}{
		"a reset was read": {func(c *guarded) {
			c.peer.Reset()
			c.readAll()
		}, syscall.ECONNRESET},
		"a Write was told of a reset": {func(c *guarded) {
			c.peer.Reset()
			c.Write(wireBytes(c.role, text("x")))
		}, syscall.ECONNRESET},
		"a Write failed": {func(c *guarded) {
			c.peer.Close()
			c.write(text("lost"))
			c.Write(wireBytes(c.role, text("x")))
		}, syscall.EPIPE},
		"a Write failed, then the library's Close": {func(c *guarded) {
			c.peer.Close()
			c.write(text("lost"))
			c.Write(wireBytes(c.role, text("x")))
			c.readAll()
		}, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				tt.before(c)
				c.Close()
				is(t, c.ends("dropped 1006"), tt.cause)
				c.after(0)
			})
		})
	}
}

// Where the guard saw the peer break a rule of framing and the library closes
// without a word, as coder/websocket does for a mask that is missing, the Close
// is a 1002 and the cause names the rule.
func TestBareCloseAfterAViolation(t *testing.T) {
	tests := []struct {
		name    string
		from    closeguard.Role // the peer's
		bytes   string
		rule    string
		value   int64
		payload string
	}{
		{"not masked", closeguard.Client, "\x81\x02hi", "mask", 0, ""},
		{"masked", closeguard.Server, "\x81\x82\x37\xfa\x21\x3dhi", "mask", 1, ""},
		{"reserved bit", closeguard.Server, "\xa9\x00", "reserved bits", 2, ""},
		{"reserved opcode", closeguard.Server, "\x83\x00", "opcode", 3, ""},
		{"continuation of nothing", closeguard.Server, "\x80\x00", "continuation", 0, ""},
		{"message inside a message", closeguard.Server, "\x01\x00\x82\x00", "interleaved message", 2, ""},
		{"fragmented ping", closeguard.Server, "\x09\x00", "fragmented control frame", 9, ""},
		{"length with its highest bit", closeguard.Server, "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "payload length", -1 << 63, ""},
		{"long ping", closeguard.Server, "\x89\x7e\x00\x7e", "control frame length", 126, ""},
		{"long Close", closeguard.Server, "\x88\x7e\x00\x80\x03\xe8reason", "control frame length", 128, "\x03\xe8reason"},
		{"fragmented Close", closeguard.Server, "\x08\x02\x03\xe8", "fragmented control frame", 8, "\x03\xe8"},
		{"Close that isn't masked", closeguard.Client, "\x88\x02\x03\xe9", "mask", 0, "\x03\xe9"},
		{"the first one counts", closeguard.Server, "\x83\x00\x80\x00\xc8\x00", "opcode", 3, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := new(recorder)
				g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
				c := log.open(t, g, other(tt.from))
				c.sendBytes([]byte(tt.bytes))
				got := make([]byte, 1000)
				if n, err := c.Read(got); string(got[:n]) != tt.bytes || err != nil {
					t.Errorf("Read: %q, %v", got[:n], err)
				}
				if ev := c.Event(); ev != nil {
					t.Errorf("a violation alone ended it: %v", ev)
				}
				c.Close()
				c.peerGets("close 1002")
				c.peer.Close()
				ev := c.ends("local closed 1002, sent 1002")
				var broken *closeguard.FrameError
				if !errors.As(ev, &broken) || broken.Rule != tt.rule || broken.Value != tt.value || string(broken.Payload) != tt.payload {
					t.Errorf("cause: %v (%+v)", ev.End().Err, broken)
				}
			})
		})
	}
}

// A Close in words through another method is no bare close.
func TestCloseNowAndAbort(t *testing.T) {
	tests := []struct {
		name   string
		before func(c *guarded)
		end    func(c *guarded)
		wire   string
		ended  string
		causes []error
	}{
		{"CloseNow", func(*guarded) {}, func(c *guarded) { c.Driver().CloseNow() }, "text sent | EOF", "dropped 1006", []error{net.ErrClosed, closeguard.ErrAborted}},
		{"Abort", func(*guarded) {}, func(c *guarded) { c.Abort() }, "text sent | reset", "dropped 1006", []error{net.ErrClosed, closeguard.ErrAborted}},
		{"Abort after our Close", func(c *guarded) { c.write(closeWith(1000, "")) }, func(c *guarded) { c.Abort() },
			"text sent | close 1000 | reset", "local closed 1000, sent 1000", []error{net.ErrClosed, closeguard.ErrAborted}},
		{"Abort after the peer's Close", func(c *guarded) { c.send(closeWith(1000, "")); c.read(closeWith(1000, "")) }, func(c *guarded) { c.Abort() },
			"text sent | reset", "peer closed 1000, received 1000", []error{closeguard.ErrAborted}},
		{"Abort twice", func(*guarded) {}, func(c *guarded) { c.Abort(); c.Abort() }, "text sent | reset", "dropped 1006", []error{net.ErrClosed, closeguard.ErrAborted}},
		{"Abort after Close", func(*guarded) {}, func(c *guarded) { c.Close(); c.Abort() },
			"text sent | close 1001 | reset", "local closed 1001, sent 1001", []error{net.ErrClosed, closeguard.ErrAborted, closeguard.ErrBareClose}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				c.write(text("sent"))
				tt.before(c)
				tt.end(c)
				c.peerSees(tt.wire)
				is(t, c.ends(tt.ended), tt.causes...)
				c.after(0)
				n, err := c.Read(make([]byte, 1))
				closedCall(t, n, err)
				n, err = c.Write(wireBytes(c.role, text("x")))
				closedCall(t, n, err)
			})
		})
	}
}

// CloseNow where a Close crossed already finishes the handshake.
func TestCloseNowAfterAClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.send(closeWith(1000, ""))
		c.read(closeWith(1000, ""))
		c.Driver().CloseNow()
		c.peerSees("close 1000 | EOF")
		c.ends("peer closed 1000, sent 1000, received 1000, clean")
	})
}

// The Close of a bare close has left when Close returns, if there is room: a
// program may exit then. Without room Close waits a moment and no longer.
func TestBareCloseLeavesInTheCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.Close()
		c.peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
		c.peerGets("close 1001")
		c.peer.Close()
		c.ends("local closed 1001, sent 1001")
	})
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(big(1<<16 - 4))
		c.Close()
		c.after(5 * time.Millisecond)
		c.peerGets("binary of 65532 bytes | close 1001")
		c.peer.Close()
		c.ends("local closed 1001, sent 1001")
	})
}

// CloseWith is not bare: an illegal frame is refused, and the connection stays
// as it was.
func TestCloseWithRefusesAnIllegalFrame(t *testing.T) {
	for _, f := range []closeguard.CloseFrame{
		{Code: 1006}, {Code: 0}, {Code: 70000}, {Code: 1010}, {Code: 1000, Reason: "\xff"}, {Code: 1005, Reason: "x"},
		{Code: 1000, Reason: string(make([]byte, 124))},
	} {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{})
			var broken *closeguard.FrameError
			if err := c.CloseWith(context.Background(), f.Code, f.Reason); !errors.As(err, &broken) {
				t.Errorf("CloseWith(%v): %v, want a FrameError", f, err)
			}
			c.peerGetsNothing()
			c.write(text("still open"))
			c.peerGets("text still open")
			c.Abort()
			c.ends("dropped 1006")
		})
	}
}
