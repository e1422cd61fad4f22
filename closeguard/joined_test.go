package closeguard_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// halves is a frame in two pieces, of which the first one is held.
func halves(role closeguard.Role) (first, second []byte) {
	b := wireBytes(role, big(1000))
	return b[:500], b[500:]
}

// handOver is the library's Write of a first piece, which must be held.
func (c *guarded) handOver(p []byte) {
	c.t.Helper()
	if n, err := closeguard.HandOver(c.Conn, p); n != len(p) || err != nil || !closeguard.Held(c.Conn) {
		c.t.Fatalf("the first piece: %d, %v, held %t", n, err, closeguard.Held(c.Conn))
	}
}

// peerHas takes the n bytes that the peer must have by now.
func (c *guarded) peerHas(n int) []byte {
	c.t.Helper()
	synctest.Wait()
	b := make([]byte, 1<<17)
	c.peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
	got := 0
	for {
		k, err := c.peer.Read(b[got:])
		if got += k; err != nil {
			break
		}
	}
	c.peer.SetReadDeadline(time.Time{})
	if got != n {
		c.t.Errorf("the peer has %d bytes, want %d", got, n)
	}
	return b[:got]
}

// Two pieces leave together, with lifetimes and without.
func TestPiecesLeaveTogether(t *testing.T) {
	for name, opts := range map[string]closeguard.Options{"no limits": {}, "limits": {IdleTimeout: time.Hour, WriteStall: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, opts)
				first, second := halves(c.role)
				for range 3 {
					c.handOver(first)
					c.peerHas(0)
					if n, err := c.Write(second); n != len(second) || err != nil || closeguard.Held(c.Conn) {
						t.Errorf("the second piece: %d, %v", n, err)
					}
					if got := c.peerHas(len(first) + len(second)); !bytes.Equal(got, append(bytes.Clone(first), second...)) {
						t.Error("they are not what was written")
					}
				}
				c.Abort()
			})
		})
	}
}

// A piece that nothing follows leaves with the next call, or by itself.
func TestAPieceLeavesAlone(t *testing.T) {
	for name, call := range map[string]func(*guarded){
		"Close":            func(c *guarded) { c.Close() },
		"CloseWrite":       func(c *guarded) { is(c.t, c.CloseWrite()) },
		"SetDeadline":      func(c *guarded) { is(c.t, c.SetDeadline(time.Unix(1, 0))) },
		"SetWriteDeadline": func(c *guarded) { is(c.t, c.SetWriteDeadline(time.Unix(1, 0))) },
		"nothing":          func(c *guarded) { time.Sleep(20 * time.Millisecond) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guard(t, closeguard.Server, closeguard.Options{})
				first, _ := halves(c.role)
				c.handOver(first)
				call(c)
				c.peerHas(len(first))
				c.Abort()
			})
		})
	}
}

// A piece for which there is no room is not lost behind CloseWrite.
func TestCloseWriteWaitsForAPiece(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 600, nil)
		c.write(big(550))
		first, _ := halves(c.role)
		c.handOver(first)
		done := make(chan error)
		go func() { done <- c.CloseWrite() }()
		synctest.Wait()
		got, err := io.ReadAll(c.peer)
		if want := len(wireBytes(c.role, big(550))) + len(first); len(got) != want || err != nil {
			t.Errorf("the peer got %d bytes, %v; want %d", len(got), err, want)
		}
		is(t, <-done)
		c.Abort()
	})
}

// What a deadline cuts off of a piece leaves when the library goes on, and not before.
func TestDeadlineCutsAPiece(t *testing.T) {
	for name, room := range map[string]int{"all of it": 0, "the rest of it": 100, "the second piece": 700} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, 5000, nil)
				c.write(big(5000 - 4 - room))
				first, second := halves(c.role)
				c.handOver(first)
				is(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
				n, err := c.Write(second)
				if want := max(room-len(first), 0); n != want || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the second piece: %d, %v; want %d", n, err, want)
				}
				c.peerHas(5000)
				is(t, c.SetWriteDeadline(time.Time{}))
				rest := second[n:]
				if n, err := c.Write(rest); n != len(rest) || err != nil {
					t.Errorf("the rest: %d, %v", n, err)
				}
				all := append(bytes.Clone(first), second...)
				if got := c.peerHas(len(all) - room); !bytes.Equal(got, all[room:]) {
					t.Error("it is not what was written")
				}
				c.Abort()
			})
		})
	}
}

// A frame of which nothing has left when a deadline passed is in nobody's way.
func TestCloseBehindAPieceThatNeverLeft(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*guarded)
		wire string
	}{
		{"Close", func(c *guarded) { c.Close() }, "EOF"}, // behind a timeout none is made up
		{"CloseWith", func(c *guarded) { c.CloseWith(canceled(c.t), 1001, "") }, "close 1001"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, closeguard.Server, closeguard.Options{}, 5000, nil)
				c.write(big(5000 - 4))
				first, second := halves(c.role)
				c.handOver(first)
				c.SetWriteDeadline(time.Now().Add(time.Second))
				if n, err := c.Write(second); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the second piece: %d, %v", n, err)
				}
				tt.end(c)
				r := &frameReader{r: c.peer, from: c.role}
				r.next()
				if got := r.next(); got != tt.wire {
					t.Errorf("the peer got %s", got)
				}
				c.Abort()
			})
		})
	}
}

// A Close between two pieces waits for the second one, as for the rest of every frame.
func TestCloseBetweenTwoPieces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guardPipe(t, closeguard.Server, closeguard.Options{}, 600, nil)
		c.write(big(590)) // there is room for 6 bytes
		first, second := halves(c.role)
		c.handOver(first)
		go c.Close()
		time.Sleep(time.Second) // it waits for more room for a moment only
		go c.Write(second)
		r := &frameReader{r: c.peer, from: c.role}
		for _, want := range []frame{big(590), big(1000), closeWith(1001, "")} {
			if got := r.next(); got != tell(want) {
				t.Errorf("the peer got %s, want %s", got, tell(want))
			}
		}
		c.Abort()
	})
}

// What becomes of the first piece the second one's Write tells.
func TestASecondPieceFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		first, second := halves(c.role)
		c.handOver(first)
		c.peer.SetLinger(0)
		c.peer.Close()
		if n, err := c.Write(second); n != 0 || err == nil {
			t.Errorf("the second piece: %d, %v", n, err)
		}
		if closeguard.Held(c.Conn) {
			t.Error("it is held behind an error")
		}
		c.Abort()
	})
}

// Whatever else is written in pieces leaves as it comes: a proxy's, and those of other
// users of net.Buffers.
func TestNobodyElsesPiecesAreHeld(t *testing.T) {
	for name, write := range map[string]func(*guarded, []byte){
		"Write":       func(c *guarded, p []byte) { c.Write(p) },
		"net.Buffers": func(c *guarded, p []byte) { (&net.Buffers{p}).WriteTo(c) },
		"io.Copy":     func(c *guarded, p []byte) { io.Copy(c, bytes.NewReader(p)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				for at := range 20 {
					c := guard(t, closeguard.Server, closeguard.Options{})
					b := wireBytes(c.role, big(5000))
					for _, p := range [][]byte{b[:at], b[at:4000], b[4000:]} {
						write(c, p)
						c.peerHas(len(p))
					}
					c.Abort()
				}
			})
		})
	}
}

// There is room for some pieces only, and what finds none leaves alone.
func TestOnePlaceForTwoPieces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		var conns []*guarded
		for range 65 {
			conns = append(conns, log.open(t, g, closeguard.Server))
		}
		first, second := halves(closeguard.Server)
		a, b := conns[0], conns[64]
		a.handOver(first)
		if n, err := closeguard.HandOver(b.Conn, first); n != len(first) || err != nil || closeguard.Held(b.Conn) {
			t.Errorf("the other one's piece: %d, %v", n, err)
		}
		b.peerHas(len(first))
		for _, c := range []*guarded{b, a} {
			c.Write(second)
		}
		b.peerHas(len(second))
		a.peerHas(len(first) + len(second))
		for _, c := range conns {
			c.Abort()
		}
	})
}

// A connection that ends with a piece leaves its place.
func TestAnEndForgetsAPiece(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		first, _ := halves(c.role)
		c.handOver(first)
		c.Abort()
		<-c.Done()
		if closeguard.Held(c.Conn) {
			t.Error("it is held for ever")
		}
	})
}

// What is handed over in two pieces is counted like everything else.
func TestPiecesAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{CountTraffic: true})
		first, second := halves(c.role)
		for range 3 {
			closeguard.HandOver(c.Conn, first)
			c.Write(second)
			c.peerHas(len(first) + len(second))
		}
		c.Abort()
		if got, want := *c.ended("dropped 1006").End().Traffic, (closeguard.Traffic{SentMessages: 3, SentBytes: 3000}); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}
