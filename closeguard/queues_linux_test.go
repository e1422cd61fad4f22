package closeguard_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// overTCP is a guarded connection over loopback, and its peer.
func overTCP(t *testing.T, opts closeguard.Options) (*closeguard.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is(t, err)
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	is(t, err)
	raw, err := l.Accept()
	is(t, err)
	g := newGuard(t, opts)
	c, err := g.WrapConn(raw, closeguard.Server)
	is(t, err)
	t.Cleanup(func() {
		g.Close()
		peer.Close()
	})
	return c, peer.(*net.TCPConn)
}

// untilUnread waits until n bytes lie in the kernel.
func untilUnread(t *testing.T, c *closeguard.Conn, n int) {
	t.Helper()
	raw, err := c.NetConn().(syscall.Conn).SyscallConn()
	is(t, err)
	is(t, raw.Read(func(fd uintptr) bool {
		buf := make([]byte, n)
		got, _, _ := syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
		return got == n
	}))
}

// Whoever has closed when the program is done was first: its Close lies in the
// kernel, and nobody has read it.
func TestAnUnreadCloseWasFirst(t *testing.T) {
	for name, done := range map[string]func(*closeguard.Conn){
		"the library closes": func(c *closeguard.Conn) { c.Close() },
		"a handler returns":  func(c *closeguard.Conn) { c.Driver().Serve(func() error { return nil }) },
		"a handler closes":   func(c *closeguard.Conn) { c.Driver().Serve(c.Close) },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := overTCP(t, closeguard.Options{})
			sent := wireBytes(closeguard.Client, text("a word before"), closeWith(4002, "bye"))
			peer.Write(sent)
			untilUnread(t, c, len(sent))
			done(c)
			<-c.Done()
			if got, want := outcome(c.Event()), "peer closed 4002, sent 4002 bye, received 4002 bye, clean"; got != want {
				t.Errorf("it ended as %s, want %s", got, want)
			}
			if answer := (&frameReader{r: peer, from: closeguard.Server}).next(); answer != "close 4002 bye" {
				t.Errorf("the peer got %s", answer)
			}
		})
	}
}

// A peer that still takes what was sent before our Close is there, though it says
// nothing for longer than CloseIdle: whether that lies in the kernel, or the
// library is still in the Write.
func TestADownloadOutlastsCloseIdle(t *testing.T) {
	const size = 256 << 10
	for _, tt := range []struct {
		name   string
		buffer int    // of the kernel's, for what we send
		word   []byte // of the peer's, in the middle: a reset if the socket is closed already
		play   func(*closeguard.Conn) error
	}{
		{"the library has closed", size, wireBytes(closeguard.Client, pong("")), func(c *closeguard.Conn) error {
			defer c.Close()
			if _, err := c.Write(wireBytes(closeguard.Server, big(size))); err != nil {
				return err
			}
			_, err := c.Write(wireBytes(closeguard.Server, closeWith(1000, "")))
			return err
		}},
		{"the library writes, and the peer closes", 16 << 10, wireBytes(closeguard.Client, closeWith(1000, "")), func(c *closeguard.Conn) error {
			go io.Copy(io.Discard, c)
			_, err := c.Write(wireBytes(closeguard.Server, big(size)))
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := overTCP(t, closeguard.Options{CloseIdle: 300 * ms})
			is(t, peer.SetReadBuffer(16<<10))
			is(t, c.NetConn().(*net.TCPConn).SetWriteBuffer(tt.buffer))
			done := make(chan error, 1)
			go func() { done <- tt.play(c) }()
			buf, taken := make([]byte, size/16), 0
			for pace := time.NewTicker(100 * ms); taken < size; <-pace.C {
				if taken == size/2 {
					peer.Write(tt.word)
				}
				n, err := io.ReadFull(peer, buf)
				if taken += n; err != nil && taken < size {
					t.Fatalf("%v after %d bytes of %d", err, taken, size)
				}
			}
			is(t, <-done)
			rest, err := io.ReadAll(peer)
			if got := taken + len(rest); err != nil || got != len(wireBytes(closeguard.Server, big(size), closeWith(1000, ""))) {
				t.Errorf("%d bytes, %v", got, err)
			}
		})
	}
}

// A ping that fails says that TCP has ended. Where nothing lies unread, and nobody
// reads, there is nothing to wait for.
func TestAFailedPingEndsAForgottenConnection(t *testing.T) {
	c, peer := overTCP(t, closeguard.Options{PingInterval: 50 * ms, PingTimeout: time.Hour})
	is(t, peer.SetLinger(0))
	is(t, peer.Close())
	select {
	case <-c.Done():
	case <-time.After(10 * sec):
		t.Fatal("it doesn't end")
	}
	if _, dropped := c.Event().(*closeguard.Dropped); !dropped {
		t.Errorf("it ended as %v", c.Event())
	}
}
