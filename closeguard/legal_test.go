package closeguard_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// finish lets the peer answer our Close and end TCP, and the library close.
func (c *guarded) finish() {
	c.t.Helper()
	c.send(closeWith(1000, ""))
	c.Close()
	c.peer.Close()
	<-c.Done()
}

// Rule 2: a Close of the library's leaves as the nearest legal one, or as it is
// if it is legal. In one Write or cut anywhere, nothing of it leaves before its
// last byte is there, and each Write takes all it is given.
func TestOnlyALegalCloseLeaves(t *testing.T) {
	long := strings.Repeat("é", 70)
	tests := []struct {
		name  string
		close frame
		want  string // on the wire, from a server
		ended string
	}{
		{"legal", closeWith(1008, "bad token"), "close 1008 bad token", "local closed 1008, sent 1008 bad token, received 1000, clean"},
		{"empty", closing(""), "close empty", "local closed 1005, sent 1005, received 1000, clean"},
		{"longest", closeWith(4000, strings.Repeat("x", 123)), "close 4000 " + strings.Repeat("x", 123),
			"local closed 4000, sent 4000 " + strings.Repeat("x", 123) + ", received 1000, clean"},
		{"1005", closeWith(1005, ""), "close empty", "local closed 1005, sent 1005, received 1000, intended 1005, clean"},
		{"1006", closeWith(1006, "backend gone"), "close 1001 backend gone",
			"local closed 1001, sent 1001 backend gone, received 1000, intended 1006 backend gone, clean"},
		{"1015", closeWith(1015, ""), "close 1001", "local closed 1001, sent 1001, received 1000, intended 1015, clean"},
		{"0", closeWith(0, ""), "close 1011", "local closed 1011, sent 1011, received 1000, intended 0, clean"},
		{"999", closeWith(999, "x"), "close 1011 x", "local closed 1011, sent 1011 x, received 1000, intended 999 x, clean"},
		{"5000", closeWith(5000, ""), "close 1011", "local closed 1011, sent 1011, received 1000, intended 5000, clean"},
		{"one byte", closing("x"), "close empty", "local closed 1005, sent 1005, received 1000, intended 1005, clean"},
		{"bad UTF-8", closeWith(1000, "caf\xe9"), "close 1000 caf\uFFFD",
			"local closed 1000, sent 1000 caf\uFFFD, received 1000, intended 1000 caf\uFFFD, clean"},
		{"too long", closeWith(1000, long), "close 1000 " + long[:122],
			"local closed 1000, sent 1000 " + long[:122] + ", received 1000, intended 1000 " + long[:122] + ", clean"},
		{"not final", frame{0x08, "\x03\xe8"}, "close 1000", "local closed 1000, sent 1000, received 1000, clean"},
		{"with a reserved bit", frame{0xc8, "\x03\xe8"}, "close 1000", "local closed 1000, sent 1000, received 1000, clean"},
	}
	for _, tt := range tests {
		for _, role := range bothRoles {
			t.Run(fmt.Sprint(tt.name, " from a ", role), func(t *testing.T) {
				b := wireBytes(role, tt.close)
				for at := range b {
					bubble(t, func(t *testing.T) {
						c := guard(t, role, closeguard.Options{})
						for _, piece := range [][]byte{b[:at], b[at:]} {
							given := slices.Clone(piece)
							c.peerGetsNothing()
							if n, err := c.Write(given); n != len(piece) || err != nil {
								t.Errorf("cut at %d: Write of %d bytes: %d, %v", at, len(piece), n, err)
							}
							if !bytes.Equal(given, piece) {
								t.Errorf("cut at %d: the caller's bytes were changed", at)
							}
						}
						c.peerGets(tt.want)
						c.finish()
						c.ends(tt.ended)
					})
				}
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					for i := range b {
						c.Write(b[i : i+1])
					}
					c.peerGets(tt.want)
					c.finish()
					c.ends(tt.ended)
				})
			})
		}
	}
}

// 1010 is legal from a client and not from a server.
func TestMandatoryExtensionIsForClients(t *testing.T) {
	for role, want := range map[closeguard.Role]string{
		closeguard.Server: "local closed 1011, sent 1011 x, received 1000, intended 1010 x, clean",
		closeguard.Client: "local closed 1010, sent 1010 x, received 1000, clean",
	} {
		bubble(t, func(t *testing.T) {
			c := guard(t, role, closeguard.Options{})
			c.write(closeWith(1010, "x"))
			c.finish()
			c.ends(want)
		})
	}
}

// Data before a Close in the same Write leaves before it, whatever the cut, and
// is counted in the caller's terms.
func TestIllegalCloseBehindData(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			b := wireBytes(role, text("one"), start("t"), ping(""), end("wo"), closeWith(1006, "gone"))
			for at := range b {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					for _, piece := range [][]byte{b[:at], b[at:]} {
						if n, err := c.Write(piece); n != len(piece) || err != nil {
							t.Errorf("cut at %d: Write of %d bytes: %d, %v", at, len(piece), n, err)
						}
					}
					c.peerGets("text one | start t | ping empty | end wo | close 1001 gone")
					c.finish()
					c.ends("local closed 1001, sent 1001 gone, received 1000, intended 1006 gone, clean")
				})
			}
		})
	}
}

// A Close between the fragments of a message is legal; one that the guard
// repairs, too.
func TestIllegalCloseInsideAMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Server, closeguard.Options{})
		c.write(start("half a mess"))
		c.write(closeWith(1006, ""))
		c.peerGets("start half a mess | close 1001")
		c.finish()
		c.ends("local closed 1001, sent 1001, received 1000, intended 1006, clean")
	})
}

// What a client must mask: a frame of the guard's gets a mask of its own that
// nobody can foresee, a legal one of the library's keeps its mask.
func TestMasks(t *testing.T) {
	seen := make(map[[4]byte]bool)
	for range 20 {
		bubble(t, func(t *testing.T) {
			c := guard(t, closeguard.Client, closeguard.Options{})
			c.write(closeWith(1006, ""))
			r := frameReader{r: c.peer, from: closeguard.Client}
			if got := r.next(); got != "close 1001" {
				t.Errorf("the peer gets %s", got)
			}
			seen[r.mask] = true
			c.finish()
		})
	}
	if len(seen) < 20 || seen[testMask] || seen[[4]byte{}] {
		t.Errorf("masks of 20 repaired frames: %v", seen)
	}
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Client, closeguard.Options{})
		c.write(closeWith(1000, "bye"))
		r := frameReader{r: c.peer, from: closeguard.Client}
		if got := r.next(); got != "close 1000 bye" || r.mask != testMask {
			t.Errorf("the peer gets %s with the mask %x, want the library's own frame", got, r.mask)
		}
		c.finish()
	})
}

// Data is never changed, held back or lost: any frames, however they are cut,
// arrive byte for byte, and each Write's bytes at once.
func TestDataPassesUnchanged(t *testing.T) {
	kinds := []func(*rand.Rand) frame{
		func(*rand.Rand) frame { return text("short") },
		func(*rand.Rand) frame { return ping("p") },
		func(*rand.Rand) frame { return pong("") },
		func(r *rand.Rand) frame { return big(r.IntN(300)) },
		func(r *rand.Rand) frame { return big(1<<16 - 1 + r.IntN(3)) },
		func(*rand.Rand) frame { return start("a") },
		func(*rand.Rand) frame { return end("b") },
		func(*rand.Rand) frame { return frame{0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"} }, // deflated
		func(*rand.Rand) frame { return frame{0x83, "reserved"} },                     // not for us to judge
	}
	for _, role := range bothRoles {
		for seed := range uint64(50) {
			bubble(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 0))
				c := guardPipe(t, role, closeguard.Options{}, 1<<20, nil)
				var out, in []byte
				for range 1 + r.IntN(5) {
					out = append(out, wireBytes(role, kinds[r.IntN(len(kinds))](r))...)
					in = append(in, wireBytes(other(role), kinds[r.IntN(len(kinds))](r))...)
				}
				c.sendBytes(in)
				var read, arrived []byte
				for p := out; len(p) > 0; {
					n := min(len(p), 1+r.IntN(1+r.IntN(len(p))))
					given := slices.Clone(p[:n])
					if n, err := c.Write(given); n != len(given) || err != nil {
						t.Fatalf("seed %d: Write: %d, %v", seed, n, err)
					}
					if !bytes.Equal(given, p[:n]) {
						t.Fatalf("seed %d: the caller's bytes were changed", seed)
					}
					got := make([]byte, n)
					if k, err := c.peer.Read(got); k != n || err != nil {
						t.Fatalf("seed %d: the peer gets %d bytes of a Write of %d, %v", seed, k, n, err)
					}
					arrived = append(arrived, got...)
					p = p[n:]
				}
				for len(read) < len(in) {
					p := make([]byte, 1+r.IntN(10_000))
					n, err := c.Read(p)
					if err != nil {
						t.Fatalf("seed %d: Read: %v", seed, err)
					}
					read = append(read, p[:n]...)
				}
				if !bytes.Equal(arrived, out) || !bytes.Equal(read, in) {
					t.Errorf("seed %d: the bytes were changed", seed)
				}
				c.Abort()
				<-c.Done()
			})
		}
	}
}

// Behind a frame whose length has its highest bit set nothing can be found any
// more: the guard lets everything pass.
func TestLostThread(t *testing.T) {
	for _, role := range bothRoles {
		bubble(t, func(t *testing.T) {
			c := guard(t, role, closeguard.Options{})
			lost := append([]byte{0x82, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 1}, "\x88\x02\x03\xee\x88\x02\x03\xee"...)
			if role == closeguard.Client {
				lost[1] |= 0x80
			}
			if n, err := c.Write(lost); n != len(lost) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			got := make([]byte, 100)
			n, _ := c.peer.Read(got)
			if !bytes.Equal(got[:n], lost) {
				t.Errorf("the peer gets %q", got[:n])
			}
			c.Abort()
			<-c.Done()
		})
	}
}

// A role that is neither constant is a server's, also as to which frames are masked.
func TestAnUnknownRoleIsAServerOnTheWire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := guard(t, closeguard.Role(7), closeguard.Options{})
		c.role = closeguard.Server // in the test's words
		c.send(closeWith(1000, ""))
		c.read(closeWith(1000, ""))
		c.write(closeWith(1000, ""))
		c.peerSees("close 1000 | EOF")
		c.peer.Close()
		c.Close()
		c.ends("peer closed 1000, sent 1000, received 1000, clean")
	})
}
