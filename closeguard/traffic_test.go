package closeguard_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

var counting = closeguard.Options{CountTraffic: true}

// carried is what an ended connection has carried, in one line.
func carried(t *testing.T, ev closeguard.CloseEvent) string {
	t.Helper()
	if ev == nil || ev.End().Traffic == nil {
		t.Fatalf("%v: nothing was counted", ev)
	}
	n := ev.End().Traffic
	return fmt.Sprintf("received %d of %d B, sent %d of %d B", n.ReceivedMessages, n.ReceivedBytes, n.SentMessages, n.SentBytes)
}

// What counts as a message and as its bytes, either way, whole and in pieces, for both
// roles.
func TestTraffic(t *testing.T) {
	tests := []struct {
		name            string
		in, out         []frame
		cutIn, cutOut   int // bytes that are missing at the end
		messages, bytes [2]int
	}{
		{"nothing", nil, nil, 0, 0, [2]int{}, [2]int{}},
		{"messages", []frame{text("hello"), text("you")}, []frame{big(300)}, 0, 0, [2]int{2, 1}, [2]int{8, 300}},
		{"empty ones", []frame{text(""), text("")}, []frame{text("")}, 0, 0, [2]int{2, 1}, [2]int{}},
		{"fragments", []frame{start("one"), middle("two"), end("three")}, []frame{start("1"), end("")}, 0, 0, [2]int{1, 1}, [2]int{11, 1}},
		{"control frames", []frame{ping("beat"), pong("x")}, []frame{pong("beat")}, 0, 0, [2]int{}, [2]int{}},
		{"control frames between fragments", []frame{start("a"), ping("beat"), end("b")}, []frame{start("c"), pong("beat"), end("d")}, 0, 0, [2]int{1, 1}, [2]int{2, 2}},
		{"a message that lacks its end", []frame{text("whole"), start("part")}, []frame{start("some"), middle("more")}, 0, 0, [2]int{1, 0}, [2]int{9, 8}},
		{"a frame that lacks its end", []frame{text("whole"), big(1000)}, []frame{big(1000)}, 1, 990, [2]int{1, 0}, [2]int{1004, 10}},
		{"compressed", []frame{{0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"}}, []frame{{0xc1, "\xf2\x48"}}, 0, 0, [2]int{1, 1}, [2]int{7, 2}},
		{"a broken frame", []frame{text("hello"), {0x83, "reserved"}, text("lost")}, nil, 0, 0, [2]int{1, 0}, [2]int{5, 0}},
	}
	for _, role := range bothRoles {
		for _, pieces := range []int{1, 7, 1 << 20} {
			for _, tt := range tests {
				t.Run(fmt.Sprint(tt.name, ", ", role, ", ", pieces), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						c := guard(t, role, counting)
						go func() {
							in := wireBytes(other(role), tt.in...)
							for in = in[:len(in)-tt.cutIn]; len(in) > 0; in = in[min(pieces, len(in)):] {
								c.sendBytes(in[:min(pieces, len(in))])
								synctest.Wait()
							}
							c.peer.CloseWrite()
						}()
						c.readAll()
						out := wireBytes(role, tt.out...)
						for out = out[:len(out)-tt.cutOut]; len(out) > 0; out = out[min(pieces, len(out)):] {
							if _, err := c.Write(out[:min(pieces, len(out))]); err != nil {
								t.Fatal(err)
							}
						}
						c.Abort()
						<-c.Done()
						want := fmt.Sprintf("received %d of %d B, sent %d of %d B", tt.messages[0], tt.bytes[0], tt.messages[1], tt.bytes[1])
						if got := carried(t, c.Event()); got != want {
							t.Errorf("%s, want %s", got, want)
						}
					})
				})
			}
		}
	}
}

// What the end has to do with it: what the guard reads counts, what follows a Close
// doesn't, and neither does what never left.
func TestTrafficAtTheEnd(t *testing.T) {
	tests := []struct {
		name string
		life func(c *guarded)
		want string
	}{
		{"the guard reads on", func(c *guarded) {
			c.write(text("hello"), closeWith(1000, ""))
			c.Close()
			c.send(text("late"), start("la"))
			synctest.Wait()
			c.send(end("ter"), closeWith(1000, ""))
		}, "received 2 of 9 B, sent 1 of 5 B"},
		{"bytes behind the peer's Close", func(c *guarded) {
			c.send(text("hello"), closeWith(1000, ""), text("behind"))
			c.readAll()
			c.send(text("and more"))
			c.Close()
		}, "received 1 of 5 B, sent 0 of 0 B"},
		{"a Write behind our Close", func(c *guarded) {
			c.write(closeWith(1000, ""))
			c.Write(wireBytes(c.role, text("late")))
			c.send(closeWith(1000, ""))
			c.readAll()
			c.Close()
		}, "received 0 of 0 B, sent 0 of 0 B"},
		{"data and our Close in one Write", func(c *guarded) {
			c.write(text("hello"), closeWith(1000, ""), pong("x"))
			c.send(closeWith(1000, ""))
			c.readAll()
			c.Close()
		}, "received 0 of 0 B, sent 1 of 5 B"},
		{"a frame that the guard finishes", func(c *guarded) {
			go c.Write(wireBytes(c.role, big(100_000))) // more than the pipe takes
			synctest.Wait()
			c.Close()
			c.peerGets(tell(big(100_000)))
			c.peerGets("close 1001")
			c.send(closeWith(1001, ""))
		}, "received 0 of 0 B, sent 1 of 100000 B"},
		{"a Write that is cut by a deadline and goes on", func(c *guarded) {
			p := wireBytes(c.role, big(1<<17))
			c.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := c.Write(p)
			if n == 0 || err == nil {
				c.t.Fatal(n, err)
			}
			c.SetWriteDeadline(time.Time{})
			go c.Write(p[n:])
			c.peerGets(tell(big(1 << 17)))
			c.write(closeWith(1000, ""))
			c.send(closeWith(1000, ""))
			c.readAll()
			c.Close()
		}, "received 0 of 0 B, sent 1 of 131072 B"},
		{"a Write that is cut by a deadline", func(c *guarded) {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.Write(wireBytes(c.role, big(1<<17))); err == nil {
				c.t.Fatal("it wasn't cut")
			}
			c.Abort()
		}, fmt.Sprintf("received 0 of 0 B, sent 0 of %d B", 64<<10-10)}, // the pipe's, without the header
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, counting)
				tt.life(c)
				<-c.Done()
				synctest.Wait()
				if got := carried(t, c.log.ending(t, 1)); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			})
		})
	}
}

// The guard's pings are no messages.
func TestTrafficWithPings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{CountTraffic: true, PingInterval: time.Second, PingTimeout: time.Hour})
		go c.readAll()
		for range 3 {
			time.Sleep(time.Second)
			synctest.Wait()
			c.send(pong(""))
			synctest.Wait()
		}
		c.write(text("hello"))
		c.Abort()
		<-c.Done()
		ev := c.Event()
		ev.End().Traffic.SentMessages = 99 // of a copy
		if got, want := carried(t, ev), "received 0 of 0 B, sent 1 of 5 B"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// Frames that a client sends before the 101 has reached it count from the 101 on, and the
// heads of the opening handshake don't.
func TestTrafficFromTheOpeningHandshakeOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		below, peer := closetest.Pipe()
		g := newGuard(t, counting)
		nc, err := g.Driver().WrapHandshake(below)
		if err != nil {
			t.Fatal(err)
		}
		c := nc.(*closeguard.Conn)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		fmt.Fprint(peer, "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello")
		peer.CloseWrite()
		p := make([]byte, 100)
		for err = nil; err == nil; _, err = c.Read(p) {
		}
		c.Write(wireBytes(closeguard.Client, text("hey")))
		c.Abort()
		<-c.Done()
		if got, want := carried(t, c.Event()), "received 1 of 5 B, sent 1 of 3 B"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// A request whose Write returns only behind the 101 is no frame.
func TestTrafficWithoutARequestThatIsSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		below, peer := closetest.PipeSize(64)
		nc, err := newGuard(t, counting).Driver().WrapHandshake(below)
		if err != nil {
			t.Fatal(err)
		}
		c := nc.(*closeguard.Conn)
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			fmt.Fprintf(c, "GET / HTTP/1.1\r\nX: %0100d\r\n\r\n", 0)
		}()
		synctest.Wait()
		fmt.Fprint(peer, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		c.Read(make([]byte, 100))
		for n := 0; n < 123; { // the whole request
			k, err := peer.Read(make([]byte, 200))
			if n += k; err != nil {
				t.Fatal(err)
			}
		}
		<-asked
		c.Write(wireBytes(closeguard.Client, text("hey")))
		c.Abort()
		<-c.Done()
		if got, want := carried(t, c.Event()), "received 0 of 0 B, sent 1 of 3 B"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// Readers, writers and whoever asks, all at once: the count is exact.
func TestTrafficIsExactUnderLoad(t *testing.T) {
	const writers, each, read = 4, 200, 1000
	c := guard(t, closeguard.Server, counting)
	var work, reading, peer sync.WaitGroup
	reading.Go(func() { c.readAll() })
	peer.Go(func() {
		p := make([]byte, 4096)
		for {
			if _, err := c.peer.Read(p); err != nil {
				return
			}
		}
	})
	work.Go(func() {
		for i := range read {
			c.send(text(strings.Repeat("x", i%50)))
		}
	})
	for range writers {
		work.Go(func() {
			for i := range each {
				c.Write(wireBytes(c.role, text("hello")))
				c.SetAttrs(slog.Int("i", i))
				c.Event()
			}
		})
	}
	work.Wait()
	c.peer.CloseWrite()
	reading.Wait()
	c.Abort()
	peer.Wait()
	<-c.Done()
	want := fmt.Sprintf("received %d of %d B, sent %d of %d B", read, read/50*(49*50/2), writers*each, writers*each*5)
	if got := carried(t, c.Event()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Nothing is counted unless it is asked for, and nothing where the guard sees nothing.
func TestTrafficIsOffByDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(text("hello"))
		c.Abort()
		if ev := c.ends("dropped 1006"); ev.End().Traffic != nil {
			t.Errorf("%+v", ev.End().Traffic)
		}
	})
}

// The log line has the four numbers, also where they are 0.
func TestTrafficInTheLogLine(t *testing.T) {
	var b bytes.Buffer
	log := closeguard.LogObserver(slog.New(slog.NewTextHandler(&b, nil)))
	log.Observe(t.Context(), &closeguard.Dropped{Ending: closeguard.Ending{Traffic: &closeguard.Traffic{ReceivedMessages: 3, ReceivedBytes: 99}}})
	const want = " websocket.received_messages=3 websocket.received_bytes=99 websocket.sent_messages=0 websocket.sent_bytes=0 websocket.conn="
	if !strings.Contains(b.String(), want) {
		t.Errorf("%s\nwant %s", b.String(), want)
	}
}
