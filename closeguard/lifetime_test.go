package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// begin has the library read, as it does when it waits for a message.
func (c *guarded) begin() *guarded {
	go c.readAll()
	return c
}

// when runs a step at a time after the opening.
func (c *guarded) when(at time.Duration, step func()) {
	time.Sleep(at - time.Since(c.began))
	step()
}

// Each lifetime ends a connection to the millisecond, with its own cause and
// code, in either role. What counts as life puts the end off, and nothing else.
func TestLifetimes(t *testing.T) {
	var (
		pings  = closeguard.Options{PingInterval: 10 * sec, PingTimeout: 3 * sec}
		idle   = closeguard.Options{IdleTimeout: 10 * sec}
		age    = closeguard.Options{MaxAge: 10 * sec, MaxAgeJitter: math.SmallestNonzeroFloat64}
		always = func(*guarded) {}
	)
	for _, tt := range []struct {
		name  string
		opts  closeguard.Options
		lives func(c *guarded)
		at    time.Duration // of our Close
		cause error
		close string
	}{
		{"ping timeout", pings, always, 13 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"ping timeout is the interval", closeguard.Options{PingInterval: 10 * sec}, always, 20 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"a pong puts the ping timeout off", pings, func(c *guarded) {
			c.when(12*sec, func() { c.send(pong("")) })
		}, 25 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"data before the ping puts it off", pings, func(c *guarded) {
			c.when(9*sec, func() { c.send(text("x")) })
		}, 22 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"any byte is life", pings, func(c *guarded) {
			for i, b := range wireBytes(other(c.role), text("x")) {
				c.when(time.Duration(i+1)*12*sec, func() { c.sendBytes([]byte{b}) })
			}
		}, 0, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"our data is no life of the peer's", pings, func(c *guarded) {
			c.when(9*sec, func() { c.write(text("x")) })
		}, 13 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},

		{"idle", idle, always, 10 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"the peer's data puts idle off", idle, func(c *guarded) {
			c.when(9*sec, func() { c.send(text("x")) })
		}, 19 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"our data puts idle off", idle, func(c *guarded) {
			c.when(9*sec, func() { c.write(text("x")) })
		}, 19 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"pings and pongs don't", idle, func(c *guarded) {
			c.when(9*sec, func() { c.send(ping("")); c.write(pong(""), ping("")); c.send(pong("")) })
		}, 10 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"neither do the guard's", closeguard.Options{IdleTimeout: 10 * sec, PingInterval: 3 * sec}, func(c *guarded) {
			for i := range 3 {
				c.when(time.Duration(i+1)*3*sec, func() { time.Sleep(ms); c.send(pong("")) })
			}
		}, 10 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"a long frame is not idle while it comes", idle, func(c *guarded) {
			b := wireBytes(other(c.role), big(100))
			for i := range 4 {
				c.when(time.Duration(i)*9*sec, func() { c.sendBytes(b[i*len(b)/4 : (i+1)*len(b)/4]) })
			}
		}, 37 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
		{"a long frame is not idle while it leaves", idle, func(c *guarded) {
			b := wireBytes(c.role, big(100))
			for i := range 4 {
				c.when(time.Duration(i)*9*sec, func() { c.Write(b[i*len(b)/4 : (i+1)*len(b)/4]) })
			}
		}, 37 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},

		{"age", age, always, 10 * sec, closeguard.ErrMaxAge, "1001 maximum age reached"},
		{"nothing puts age off", age, func(c *guarded) {
			c.when(9*sec, func() { c.send(text("x")); c.write(text("y")) })
		}, 10 * sec, closeguard.ErrMaxAge, "1001 maximum age reached"},

		{"the first of several: pings", closeguard.Options{PingInterval: 4 * sec, IdleTimeout: 9 * sec, MaxAge: 20 * sec}, always,
			8 * sec, closeguard.ErrPingTimeout, "1001 ping timeout"},
		{"the first of several: idle", closeguard.Options{PingInterval: 5 * sec, IdleTimeout: 9 * sec, MaxAge: 20 * sec}, always,
			9 * sec, closeguard.ErrIdleTimeout, "1001 idle timeout"},
	} {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, ", ", role), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, tt.opts).begin()
					go tt.lives(c)
					r := frameReader{r: c.peer, from: role}
					frame := r.next()
					for !strings.HasPrefix(frame, "close") && r.err == nil {
						frame = r.next()
					}
					if want := "close " + tt.close; frame != want {
						t.Errorf("the peer gets %s, want %s", frame, want)
					}
					at := tt.at
					if at == 0 { // after the last byte of a frame, which came every 12 s
						at = time.Duration(len(wireBytes(other(role), text("x"))))*12*sec + 13*sec
					}
					c.after(at)
					c.send(closeWith(1001, ""))
					is(t, c.ends("local closed 1001, sent "+tt.close+", received 1001, clean"), net.ErrClosed)
					for _, cause := range []error{closeguard.ErrPingTimeout, closeguard.ErrIdleTimeout, closeguard.ErrMaxAge, closeguard.ErrWriteStall} {
						if errors.Is(c.Event(), cause) != (cause == tt.cause) {
							t.Errorf("%v: errors.Is(%v) is %t", c.Event(), cause, cause != tt.cause)
						}
					}
				})
			})
		}
	}
}

// The guard pings a peer that says nothing, a client's pings masked, and leaves
// one that says something alone.
func TestPings(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, role, closeguard.Options{PingInterval: 10 * sec, PingTimeout: sec}).begin()
				r := frameReader{r: c.peer, from: role}
				next := func(want time.Duration) {
					t.Helper()
					if got := r.next(); got != "ping empty" {
						t.Errorf("the peer gets %s", got)
					}
					c.after(want)
				}
				next(10 * sec)
				if role == closeguard.Client && r.mask == [4]byte{} {
					t.Error("the mask is zero")
				}
				first := r.mask
				c.when(10*sec+500*ms, func() { c.send(pong("")) })
				next(20*sec + 500*ms)
				if role == closeguard.Client && r.mask == first {
					t.Errorf("two pings with the mask %x", first)
				}
				c.send(text("anything"))
				for i := range 5 {
					c.when(21*sec+time.Duration(i)*9*sec, func() { c.send(text("x")) })
				}
				next(57*sec + 10*sec)
				c.leaves()
			})
		})
	}
}

// leaves is the peer's leaving.
func (c *guarded) leaves() {
	c.t.Helper()
	c.send(closeWith(1000, ""))
	synctest.Wait()
	c.Close()
	c.peer.Close()
	c.ends("peer closed 1000, sent 1000, received 1000, clean")
}

// Pings go between frames only. If the wire is inside one when a ping is due,
// there is another time.
func TestPingsGoBetweenFrames(t *testing.T) {
	hello := wireBytes(closeguard.Server, text("hello"))
	for _, tt := range []struct {
		name  string
		write [][]byte // before the ping is due, and after that
		wire  string
		at    time.Duration // of the ping
	}{
		{"inside a header", [][]byte{hello[:1], hello[1:]}, "text hello | ping empty", 20 * sec},
		{"inside a payload", [][]byte{hello[:4], hello[4:]}, "text hello | ping empty", 20 * sec},
		{"between two fragments", [][]byte{wireBytes(closeguard.Server, start("a")), wireBytes(closeguard.Server, end("b"))}, "start a | ping empty | end b", 10 * sec},
		{"inside a Close that is not whole", [][]byte{{0x88}, {0x00}}, "ping empty | close empty", 10 * sec},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: time.Minute}).begin()
				c.Write(tt.write[0])
				c.when(15*sec, func() { c.Write(tt.write[1]) })
				c.peerGets(tt.wire)
				c.after(max(tt.at, 15*sec))
				c.finish()
			})
		})
	}
}

// A Write of the library's is under way when a ping is due: none is sent, and
// the library's frame stays whole.
func TestNoPingDuringAWrite(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: time.Minute}, 100, nil).begin()
		go c.write(big(1000))
		time.Sleep(15 * sec)
		c.peerGets("binary of 1000 bytes | ping empty")
		c.after(20 * sec)
		c.finish()
	})
}

// The library's deadlines are its own: a ping neither leaves one behind nor
// takes one away.
func TestPingsLeaveDeadlinesAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  time.Duration // when the library sets it
		to   time.Duration // since the opening, 0: to none
		want time.Duration // when a Write that nobody reads fails
	}{
		{"before the ping", 0, 30 * sec, 30 * sec},
		{"before the ping, and past by then", 0, 5 * sec, 15 * sec},
		{"after the ping", 12 * sec, 30 * sec, 30 * sec},
		{"taken away", 12 * sec, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: time.Hour}, 100, nil).begin()
				c.when(tt.set, func() {
					deadline := time.Time{}
					if tt.to != 0 {
						deadline = c.began.Add(tt.to)
					}
					c.SetWriteDeadline(deadline)
				})
				c.when(15*sec, func() {})
				failed := make(chan error)
				go func() {
					_, err := c.Write(wireBytes(closeguard.Server, big(1000)))
					failed <- err
				}()
				if tt.want == 0 {
					time.Sleep(time.Minute)
					go io.Copy(io.Discard, c.peer)
					if err := <-failed; err != nil {
						t.Errorf("Write: %v", err)
					}
				} else {
					is(t, <-failed, os.ErrDeadlineExceeded)
					c.after(tt.want)
				}
				c.Abort()
				<-c.Done()
			})
		})
	}
}

// A ping that can't leave doesn't keep the library waiting, and leaves when it can.
func TestPingIntoAFullBuffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: time.Hour}, 100, nil).begin()
		c.write(big(98)) // all that there is room for
		c.when(10*sec+ms, func() {
			c.SetWriteDeadline(time.Now().Add(10 * ms))
			_, err := c.Write(wireBytes(closeguard.Server, text("x")))
			is(t, err, os.ErrDeadlineExceeded)
		})
		c.after(10*sec + 11*ms)
		c.when(55*sec, func() { c.SetWriteDeadline(time.Time{}); c.peerGets("binary of 98 bytes") })
		c.peerGets("ping empty")
		c.after(60 * sec)
		c.finish()
	})
	bubble(t, func(t *testing.T) { // the ping gives up, the library's Write goes first
		c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec}, 100, nil).begin()
		c.write(big(98))
		c.when(10*sec+ms, func() {
			c.SetWriteDeadline(time.Now().Add(time.Minute))
			go c.write(text("x"))
		})
		c.when(12*sec, func() { c.peerGets("binary of 98 bytes | text x | ping empty") })
		c.after(20 * sec)
		c.finish()
	})
}

// A peer isn't given up because the program is busy: what it sent may be there,
// unread. When the program reads again, it is told.
func TestAPingTimeoutNeedsAReader(t *testing.T) {
	opts := closeguard.Options{PingInterval: 10 * sec, PingTimeout: sec}
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, opts)
		go func() { // answers as long as the program is busy
			for range 5 {
				c.peerGets("ping empty")
				c.send(pong(""))
			}
		}()
		time.Sleep(60 * sec)
		if ev := c.Event(); ev != nil {
			t.Errorf("it ended with %v", ev)
		}
		c.begin()
		time.Sleep(5 * sec)
		c.leaves()
	})
	bubble(t, func(t *testing.T) { // the peer is dead
		c := guard(t, closeguard.Server, opts)
		time.Sleep(60 * sec)
		c.begin()
		is(t, c.ends("local closed 1001, sent 1001 ping timeout"), net.ErrClosed, closeguard.ErrCloseIdle)
		if !errors.Is(c.Event(), closeguard.ErrPingTimeout) || time.Since(c.began) > 60*sec+2*11*sec+5*sec {
			t.Errorf("%v after %v", c.Event(), time.Since(c.began))
		}
	})
}

// A peer that doesn't read blocks a Write: after WriteStall our Close is due. It
// leaves if the peer reads on, else the connection ends.
func TestWriteStall(t *testing.T) {
	opts := closeguard.Options{WriteStall: 10 * sec}
	for _, tt := range []struct {
		name  string
		peer  func(c *guarded)
		ended string
		at    time.Duration
	}{
		{"never reads", func(*guarded) {}, "dropped 1006, intended 1008 too slow", 16 * sec},
		{"reads on in time", func(c *guarded) {
			c.when(10*sec, func() { c.peerGets("binary of 200000 bytes | binary of 200000 bytes") })
			c.when(30*sec, func() { c.send(closeWith(1000, "")) })
		}, "peer closed 1000, sent 1000, received 1000, clean", 30 * sec},
		{"reads on afterwards", func(c *guarded) {
			c.when(12*sec, func() { c.peerGets("binary of 200000 bytes | close 1008 too slow"); c.send(closeWith(1008, "")) })
		}, "local closed 1008, sent 1008 too slow, received 1008, clean", 12 * sec},
		{"reads a little at a time", func(c *guarded) {
			for i := range 5 {
				c.when(time.Duration(i+1)*9*sec, func() { io.CopyN(io.Discard, c.peer, 64<<10) })
			}
			c.peer.Close()
		}, "dropped 1006", 45 * sec},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, opts)
				go func() {
					c.readAll()
					c.Close()
				}()
				time.Sleep(sec)
				go func() {
					for range 2 {
						c.Write(wireBytes(closeguard.Server, big(200_000)))
					}
				}()
				tt.peer(c)
				<-c.Done()
				c.after(tt.at)
				ev := c.ended(tt.ended)
				if got, want := errors.Is(ev, closeguard.ErrWriteStall), strings.Contains(tt.ended, "too slow"); got != want {
					t.Errorf("%v: ErrWriteStall is %t", ev, got)
				}
				c.peer.Close()
			})
		})
	}
}

// A Write that takes long counts again when it returns: data was on its way.
func TestALongWriteIsNotIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{IdleTimeout: 10 * sec}, 100, nil).begin()
		c.when(sec, func() { go c.write(big(1000)) })
		c.when(9*sec, func() { c.peerGets("binary of 1000 bytes | close 1001 idle timeout") })
		c.after(19 * sec)
		c.finish()
	})
}

// MaxAge is spread at random, within its bounds.
func TestMaxAgeJitter(t *testing.T) {
	for _, tt := range []struct {
		jitter   float64
		from, to time.Duration
	}{
		{0, 90 * sec, 110 * sec}, // the default is 0.1
		{0.5, 50 * sec, 150 * sec},
		{1, 0, 200 * sec},
	} {
		t.Run(fmt.Sprint(tt.jitter), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const n = 300
				cr := newCrowd(t, closeguard.Options{MaxAge: 100 * sec, MaxAgeJitter: tt.jitter})
				for range n {
					cr.live(0)
				}
				for _, c := range cr.conns {
					<-c.Done()
				}
				first, last := tt.to, tt.from
				for _, c := range cr.told() {
					first, last = min(first, c.at), max(last, c.at)
				}
				part := (tt.to - tt.from) / 10
				if first < tt.from || last > tt.to || first > tt.from+part || last < tt.to-part || len(cr.told()) != n {
					t.Errorf("%d Closes from %v to %v, want %d from %v to %v", len(cr.told()), first, last, n, tt.from, tt.to)
				}
			})
		})
	}
}

// CloseFrameFor chooses the frame by cause and connection. What it may not
// choose is repaired and reported; a panic in it is logged.
func TestCloseFrameFor(t *testing.T) {
	choose := func(frame closeguard.CloseFrame) func(closeguard.ConnInfo, error) closeguard.CloseFrame {
		return func(info closeguard.ConnInfo, cause error) closeguard.CloseFrame {
			if !errors.Is(cause, closeguard.ErrIdleTimeout) || info.Number != 1 {
				return closeguard.CloseFrame{Code: 4999, Reason: "what is this?"}
			}
			return frame
		}
	}
	var log lockedBuffer
	for _, tt := range []struct {
		name    string
		choose  func(closeguard.ConnInfo, error) closeguard.CloseFrame
		outcome string
	}{
		{"another code", choose(closeguard.CloseFrame{Code: 4000, Reason: "wake up"}), "local closed 4000, sent 4000 wake up, received 4000, clean"},
		{"an illegal one", choose(closeguard.CloseFrame{Code: 1006, Reason: "x"}), "local closed 1001, sent 1001 x, received 4000, intended 1006 x, clean"},
		{"none", choose(closeguard.CloseFrame{}), "local closed 1011, sent 1011, received 4000, intended 0, clean"},
		{"a panic", func(closeguard.ConnInfo, error) closeguard.CloseFrame { panic("oops") }, "local closed 1001, sent 1001, received 4000, clean"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{
					IdleTimeout: sec, CloseFrameFor: tt.choose, ErrorLog: slog.New(slog.NewTextHandler(&log, nil)),
				}).begin()
				time.Sleep(sec)
				synctest.Wait()
				c.send(closeWith(4000, ""))
				ev := c.ends(tt.outcome)
				if !errors.Is(ev, closeguard.ErrIdleTimeout) {
					t.Errorf("cause: %v", ev)
				}
			})
		})
	}
	if text := log.String(); strings.Count(text, "Options.CloseFrameFor") != 1 || !strings.Contains(text, "oops") {
		t.Errorf("ErrorLog: %s", text)
	}
}

// A lifetime ends what is open. A connection that is closing has the limits of
// the closing handshake, and one that the peer has closed is the library's to
// answer (rule 4), however long that takes; only MaxAge and WriteStall hold until
// the end.
func TestLifetimesOfWhatIsNotOpenAnyMore(t *testing.T) {
	opts := closeguard.Options{PingInterval: sec, IdleTimeout: 2 * sec, MaxAge: 2 * sec, WriteStall: sec}
	t.Run("closed by the peer", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			opts := opts
			opts.MaxAge = 0
			c := guard(t, closeguard.Server, opts)
			c.send(closeWith(4000, "bye"))
			c.read(closeWith(4000, "bye"))
			time.Sleep(time.Hour)
			c.write(text("result"), closeWith(4000, ""))
			c.peerSees("text result | close 4000 | EOF")
			c.ends("peer closed 4000, sent 4000, received 4000 bye, clean")
		})
	})
	t.Run("the peer has gone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, opts)
			c.peer.Close()
			is(t, c.readAll(), io.EOF)
			time.Sleep(time.Hour)
			c.Close()
			c.ends("dropped 1006")
		})
	})
	t.Run("closing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, opts)
			c.write(closeWith(4000, ""))
			c.begin()
			c.peerSees("close 4000 | EOF")
			c.after(5 * sec)
			is(t, c.ends("local closed 4000, sent 4000"), net.ErrClosed, closeguard.ErrCloseIdle)
		})
	})
}

// Durations that were meant as for ever are, and don't keep others from ending.
func TestEndlessLifetimes(t *testing.T) {
	const ever = math.MaxInt64
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{PingInterval: ever, IdleTimeout: ever, MaxAge: ever}).begin()
		c.write(closeWith(4000, ""))
		<-c.Done()
		c.after(5 * sec)
	})
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{CloseIdle: ever, CloseTimeout: ever})
		c.write(closeWith(4000, "")) // and never reads again
		c.send(closeWith(4000, ""))
		<-c.Done()
		c.after(sec)
	})
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{
			PingInterval: ever, PingTimeout: ever, IdleTimeout: ever, MaxAge: ever, MaxAgeJitter: 1e-9, WriteStall: ever,
			CloseIdle: ever, CloseTimeout: ever,
		}).begin()
		time.Sleep(365 * 24 * time.Hour)
		c.write(text("still here"), closeWith(1000, ""))
		time.Sleep(365 * 24 * time.Hour)
		c.peerGets("text still here | close 1000")
		c.send(closeWith(1000, ""))
		c.ends("local closed 1000, sent 1000, received 1000, clean")
	})
}

// Messages cost no allocation with all lifetimes on either.
func TestLifetimesAllocateNothingPerMessage(t *testing.T) {
	opts := closeguard.Options{PingInterval: time.Minute, IdleTimeout: time.Minute, MaxAge: time.Hour, WriteStall: time.Minute}
	for _, role := range bothRoles {
		out := wireBytes(role, text("hello"))
		c, err := newGuard(t, opts).WrapConn(&treadmill{wireBytes(other(role), text("hello"))}, role)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		if n := testing.AllocsPerRun(1000, func() { c.Read(p); c.Write(out) }); n != 0 {
			t.Errorf("%v: %v allocations per message", role, n)
		}
		c.Abort()
		<-c.Done()
	}
}

// A shutdown takes over what a lifetime was to end, and kicks do.
func TestLifetimesAndShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cr := newCrowd(t, closeguard.Options{IdleTimeout: 5 * sec, DrainWindow: 8 * sec})
		for range 4 { // due after 2, 4, 6 and 8 s
			cr.live(0)
		}
		report, err := cr.guard.Shutdown(context.Background())
		if report.Answered != 4 || err != nil || report.Duration != 5*sec {
			t.Errorf("%v in %v, %v", report, report.Duration, err)
		}
		idle := 0
		for _, c := range cr.conns {
			if errors.Is(c.Event(), closeguard.ErrIdleTimeout) {
				idle++
			}
		}
		if idle != 2 {
			t.Errorf("%d were ended by IdleTimeout, want 2", idle)
		}
	})
}

// Over TLS a Write that was cut breaks the connection, so a ping waits until it
// has left. The library's Write behind it fails at its own deadline all the same.
func TestPingIntoAFullBufferOverTLS(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reads time.Duration // the peer
		fails bool          // a Write at 12 s with a deadline at 13 s
		at    time.Duration
	}{
		{"the peer reads in time", 12500 * ms, false, 12500 * ms},
		{"the peer reads too late", 20 * sec, true, 13 * sec},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: time.Hour}, 101, tlsLike).begin()
				c.write(big(98)) // leaves room for one byte
				go c.when(tt.reads, func() { io.Copy(io.Discard, c.peer) })
				c.when(12*sec, func() {
					c.SetWriteDeadline(time.Now().Add(sec))
					if _, err := c.Write(wireBytes(closeguard.Server, text("x"))); (err != nil) != tt.fails {
						t.Errorf("Write: %v", err)
					}
				})
				c.after(tt.at)
				time.Sleep(10 * sec)
				c.Abort()
				<-c.Done()
			})
		})
	}
}

// A slowWriter's Write returns a millisecond after the peer has what it wrote.
type slowWriter struct{ *closetest.PipeConn }

func (w slowWriter) Write(p []byte) (int, error) {
	n, err := w.PipeConn.Write(p)
	time.Sleep(ms)
	return n, err
}

// The pong can be there before the Write of the ping has returned.
func TestPongBeforeThePingsWriteReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 10 * sec, PingTimeout: 3 * sec}, 64<<10,
			func(below *closetest.PipeConn) net.Conn { return slowWriter{below} }).begin()
		c.peer.Read(make([]byte, 16))
		c.send(pong(""))
		if n, err := c.peer.Read(make([]byte, 16)); n != 2 || err != nil || time.Since(c.began) < 20*sec {
			t.Errorf("after %v the peer read %d bytes, %v; want the next ping after 20 s", time.Since(c.began), n, err)
		}
		time.Sleep(2 * ms) // that Write has returned
		c.peer.Close()
		c.Close()
		<-c.Done()
	})
}

// A peer that is dead is found by pings also where the program writes and writes:
// a ping that is due and can't leave starts the timeout.
func TestPingTimeoutOfAPeerThatTakesNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(c *guarded)
	}{
		{"ten messages a second", func(c *guarded) {
			for c.Event() == nil {
				if _, err := c.Write(wireBytes(closeguard.Server, big(100))); err != nil {
					return
				}
				time.Sleep(100 * ms)
			}
		}},
		{"one message that fills the buffer", func(c *guarded) { c.Write(wireBytes(closeguard.Server, big(1<<20))) }},
		{"a buffer filled to the brim", func(c *guarded) { c.write(big(1020)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{PingInterval: 5 * sec, PingTimeout: 10 * sec, CloseIdle: sec}, 1024, nil)
				go c.readAll()
				go tt.write(c)
				<-c.Done()
				if took := time.Since(c.began); took > 20*sec {
					t.Errorf("found after %v", took)
				}
				if !errors.Is(c.Event(), closeguard.ErrPingTimeout) {
					t.Errorf("the end: %v", c.Event())
				}
				c.Close()
			})
		})
	}
}

// After the peer's Close or the end of its stream a Write that is blocked has
// WriteStall, and the connection MaxAge.
func TestLifetimesAfterThePeersEnd(t *testing.T) {
	for name, end := range map[string]func(c *guarded){
		"Close": func(c *guarded) { c.send(closeWith(1000, "")) },
		"FIN":   func(c *guarded) { c.peer.CloseWrite() },
	} {
		t.Run(name+", WriteStall", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{WriteStall: sec, CloseIdle: sec}, 1024, nil)
				wrote := make(chan error)
				go func() { _, err := c.Write(wireBytes(closeguard.Server, big(1<<20))); wrote <- err }()
				synctest.Wait()
				end(c)
				c.Read(make([]byte, 100))
				if err := <-wrote; err == nil {
					t.Error("the Write succeeds")
				}
				if took := time.Since(c.began); took > 3*sec {
					t.Errorf("Write is blocked for %v", took)
				}
				<-c.Done()
				c.Close()
			})
		})
		t.Run(name+", MaxAge", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{MaxAge: 3 * sec, CloseIdle: sec})
				end(c)
				c.Read(make([]byte, 100))
				<-c.Done()
				if took := time.Since(c.began); took > 5*sec {
					t.Errorf("it ended after %v", took)
				}
				if _, first := c.Event().(*closeguard.PeerClosed); !first && !errors.Is(c.Event(), closeguard.ErrMaxAge) {
					t.Errorf("the end: %v", c.Event())
				}
				c.Close()
			})
		})
	}
}
