package closeguard_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// rude is a peer that makes a closing handshake impossible. Each begins before
// our Close and ends when the connection does.
type rude struct {
	name   string
	behave func(c *guarded, over <-chan struct{})
	early  bool // it sends something before
	reads  bool // it takes what we send
	limit  error
	at     time.Duration // from our Close on
}

var rudePeers = []rude{
	{"never answers", func(*guarded, <-chan struct{}) {}, false, true, closeguard.ErrCloseIdle, 5 * time.Second},
	{"stalls inside a frame", func(c *guarded, _ <-chan struct{}) {
		c.sendBytes(wireBytes(other(c.role), big(1000))[:500])
	}, true, true, closeguard.ErrCloseIdle, 5 * time.Second},
	{"stalls inside its Close", func(c *guarded, _ <-chan struct{}) {
		c.sendBytes(wireBytes(other(c.role), closeWith(1000, "bye"))[:3])
	}, true, true, closeguard.ErrCloseIdle, 5 * time.Second},
	{"stalls later", func(c *guarded, _ <-chan struct{}) {
		time.Sleep(3 * time.Second)
		c.send(pong("last sign of life"))
	}, false, true, closeguard.ErrCloseIdle, 8 * time.Second},
	{"trickles", func(c *guarded, over <-chan struct{}) {
		frames := wireBytes(other(c.role), big(1<<20))
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Second):
				c.peer.Write(frames[:1])
				frames = frames[1:]
			}
		}
	}, false, true, closeguard.ErrCloseTimeout, 30 * time.Second},
	{"never reads", func(*guarded, <-chan struct{}) {}, false, false, closeguard.ErrCloseIdle, 5 * time.Second},
	{"trickles and never reads", func(c *guarded, over <-chan struct{}) {
		for {
			select {
			case <-over:
				return
			case <-time.After(4 * time.Second):
				c.peer.Write(wireBytes(other(c.role), ping("")))
			}
		}
	}, false, false, closeguard.ErrCloseTimeout, 30 * time.Second},
}

// Rule 7: whatever the peer does and however the library closes, the closing
// handshake is over at its limit, to the millisecond: the last blocked Read and
// Write have returned, TCP is closed, the event is delivered, nothing is left.
func TestLimits(t *testing.T) {
	closes := []struct {
		name  string
		close func(c *guarded) // may block until the end
		open  bool             // the library doesn't close its net.Conn
		idle  bool             // nor does it read
		code  int
	}{
		{"closes", func(c *guarded) { c.Close() }, false, false, 1001},
		{"sends a Close and closes", func(c *guarded) {
			c.SetWriteDeadline(time.Now())
			c.Write(wireBytes(c.role, closeWith(1008, "")))
			c.Close()
		}, false, false, 1008},
		{"sends a Close and reads", func(c *guarded) {
			c.Write(wireBytes(c.role, closeWith(1008, "")))
			c.readAll()
		}, true, false, 1008},
		{"sends a Close and neither reads nor closes", func(c *guarded) {
			c.Write(wireBytes(c.role, closeWith(1008, "")))
		}, true, true, 1008},
		{"calls CloseWith", func(c *guarded) {
			err := c.CloseWith(context.Background(), 1008, "")
			var ev closeguard.CloseEvent
			if !errors.As(err, &ev) {
				c.t.Errorf("CloseWith: %v, want the event", err)
			}
		}, true, false, 1008},
		{"calls CloseWith while it reads", func(c *guarded) {
			go c.CloseWith(context.Background(), 1008, "")
			c.readAll()
		}, true, false, 1008},
	}
	for _, peer := range rudePeers {
		for _, lib := range closes {
			for _, role := range bothRoles {
				t.Run(fmt.Sprintf("the peer %s, our %v %s", peer.name, role, lib.name), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						c := guardPipe(t, role, closeguard.Options{}, 1000, nil)
						over := make(chan struct{})
						behaved := make(chan struct{})
						go func() {
							defer close(behaved)
							peer.behave(c, over)
						}()
						synctest.Wait()
						if !peer.reads {
							c.write(big(1000 - len(wireBytes(role, big(200))) + 200)) // our direction is full
						}
						returned := make(chan struct{})
						go func() {
							defer close(returned)
							lib.close(c)
						}()
						<-c.Done()
						at := peer.at
						if lib.idle && peer.early {
							at += time.Second // a byte counts when it is read
						}
						c.after(at)
						<-returned
						want := fmt.Sprintf("local closed %d, sent %[1]d", lib.code)
						if !peer.reads {
							want = fmt.Sprintf("dropped 1006, intended %d", lib.code)
						}
						ev := c.ended(want)
						if !errors.Is(ev, peer.limit) {
							t.Errorf("the cause is %v, want %v", ev.End().Err, peer.limit)
						}
						if told := c.log.times[len(c.log.times)-1].Sub(c.began); told != at {
							t.Errorf("the event was delivered after %v", told)
						}
						for range 2 { // and every call from now on
							_, rerr := c.Read(make([]byte, 10))
							_, werr := c.Write(wireBytes(role, text("x")))
							if lib.open {
								limitCall(t, rerr, peer.limit)
								limitCall(t, werr, peer.limit)
							} else {
								is(t, rerr, net.ErrClosed)
								is(t, werr, net.ErrClosed)
							}
						}
						close(over)
						<-behaved
						c.after(at)
					})
				})
			}
		}
	}
}

// Calls that are blocked when the limit is reached.
func TestBlockedCallsAtALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		returned := make(chan struct{})
		go func() { // in the middle of a frame that the peer doesn't take
			n, err := c.Write(wireBytes(c.role, big(10<<20)))
			if n != 64<<10 {
				t.Errorf("n = %d, want 65536", n)
			}
			limitCall(t, err, closeguard.ErrCloseIdle)
			c.after(5 * time.Second)
			returned <- struct{}{}
		}()
		go func() {
			n, err := c.Read(make([]byte, 10))
			if n != 0 {
				t.Errorf("n = %d, want 0", n)
			}
			limitCall(t, err, closeguard.ErrCloseIdle)
			c.after(5 * time.Second)
			returned <- struct{}{}
		}()
		synctest.Wait()
		is(t, c.CloseWith(context.Background(), 1008, ""), net.ErrClosed, closeguard.ErrCloseIdle)
		<-returned
		<-returned
		c.ended("dropped 1006, intended 1008")
	})
}

// The three limits are the options', and count from when a Close of ours is due.
func TestLimitsAreOptions(t *testing.T) {
	tests := []struct {
		name    string
		opts    closeguard.Options
		trickle time.Duration // between two bytes of the peer
		limit   error
		at      time.Duration
	}{
		{"CloseIdle", closeguard.Options{CloseIdle: 1234 * time.Millisecond}, 0, closeguard.ErrCloseIdle, 1234 * time.Millisecond},
		{"the shortest", closeguard.Options{CloseIdle: 1}, 0, closeguard.ErrCloseIdle, 1},
		{"longer than the default CloseTimeout", closeguard.Options{CloseIdle: time.Minute}, 0, closeguard.ErrCloseTimeout, time.Minute},
		{"CloseTimeout", closeguard.Options{CloseTimeout: 7 * time.Second}, time.Second, closeguard.ErrCloseTimeout, 7 * time.Second},
		{"CloseTimeout shorter than the default CloseIdle", closeguard.Options{CloseTimeout: time.Second}, 0, closeguard.ErrCloseTimeout, time.Second},
		{"both the same", closeguard.Options{CloseIdle: time.Second, CloseTimeout: time.Second}, 0, closeguard.ErrCloseTimeout, time.Second},
		{"idle in the end", closeguard.Options{CloseIdle: 2 * time.Second}, 1500 * time.Millisecond, closeguard.ErrCloseTimeout, 30 * time.Second},
		{"idle between two", closeguard.Options{CloseIdle: 2 * time.Second}, 2500 * time.Millisecond, closeguard.ErrCloseIdle, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, tt.opts)
				time.Sleep(time.Hour) // an idle connection has no limit
				c.began = time.Now()
				c.Close()
				behaved := make(chan struct{})
				go func() {
					defer close(behaved)
					for tt.trickle > 0 {
						time.Sleep(tt.trickle)
						if _, err := c.peer.Write([]byte{0x82}); err != nil {
							return
						}
					}
				}()
				is(t, c.ends("local closed 1001, sent 1001"), net.ErrClosed, closeguard.ErrBareClose, tt.limit)
				c.after(tt.at)
				<-behaved
			})
		})
	}
}

// CloseBytes counts what is discarded, and nothing that the library reads.
func TestCloseBytes(t *testing.T) {
	const limit = 100_000
	flood := func(c *guarded, n int) error {
		_, err := c.peer.Write(make([]byte, n))
		return err
	}
	t.Run("just within", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseBytes: limit})
			c.Close()
			answer := wireBytes(closeguard.Client, closeWith(1001, ""))
			c.send(big(limit - len(wireBytes(closeguard.Client, big(1<<16))) + 1<<16 - len(answer)))
			c.sendBytes(answer)
			c.ends("local closed 1001, sent 1001, received 1001, clean")
		})
	})
	t.Run("one too many", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseBytes: limit})
			c.Close()
			if err := flood(c, limit); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			select {
			case <-c.Done():
				t.Error("it ended at the limit already")
			default:
			}
			flood(c, 1)
			synctest.Wait()
			is(t, c.ended("local closed 1001, sent 1001"), net.ErrClosed, closeguard.ErrBareClose, closeguard.ErrCloseBytes)
			c.after(0)
			c.peerGets("close 1001")
		})
	})
	t.Run("too many behind the peer's close", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseBytes: 10})
			c.sendBytes(append(wireBytes(closeguard.Client, closeWith(4000, "")), make([]byte, 100)...))
			time.Sleep(time.Second)
			c.Close()
			synctest.Wait()
			c.peer.Close()
			c.ends("local closed 1001, sent 1001, received 4000, clean")
			if idle := c.Event().End().Idle; idle != 0 {
				t.Errorf("idle for %v, though bytes came just now", idle)
			}
		})
	})
	t.Run("a flood", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseBytes: limit})
			c.Close()
			if err := flood(c, 10<<20); err == nil {
				t.Error("the peer got rid of 10 MiB")
			}
			c.peerGets("close 1001")
			c.ends("local closed 1001, sent 1001")
			c.after(0)
		})
	})
	t.Run("what the library reads", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Server, closeguard.Options{CloseBytes: limit})
			c.write(closeWith(1000, ""))
			go func() {
				flood(c, 10*limit)
				c.peer.Close()
			}()
			c.readAll()
			c.ends("local closed 1000, sent 1000")
		})
	})
	t.Run("behind both frames", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Client, closeguard.Options{CloseBytes: limit})
			c.write(closeWith(1000, ""))
			c.send(closeWith(1000, ""))
			c.read(closeWith(1000, ""))
			flood(c, 10*limit)
			is(t, c.ends("local closed 1000, sent 1000, received 1000, clean"), net.ErrClosed)
			c.after(0)
		})
	})
}
