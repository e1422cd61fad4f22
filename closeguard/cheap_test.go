package closeguard_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// treadmill is a transport that gives the same bytes again and again and takes
// everything, without an allocation.
type treadmill struct{ bytes []byte }

func (c *treadmill) Read(p []byte) (int, error)       { return copy(p, c.bytes), nil }
func (c *treadmill) Write(p []byte) (int, error)      { return len(p), nil }
func (c *treadmill) Close() error                     { return nil }
func (c *treadmill) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *treadmill) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *treadmill) SetDeadline(time.Time) error      { return nil }
func (c *treadmill) SetReadDeadline(time.Time) error  { return nil }
func (c *treadmill) SetWriteDeadline(time.Time) error { return nil }

// Rule 12: nothing is allocated per message, and the library's buffers are the
// only ones.
func TestNothingIsAllocatedPerMessage(t *testing.T) {
	for name, opts := range map[string]closeguard.Options{"": {}, "counted": counting} {
		t.Run(name, func(t *testing.T) { nothingIsAllocatedPerMessage(t, opts) })
	}
}

func nothingIsAllocatedPerMessage(t *testing.T, opts closeguard.Options) {
	messages := []struct {
		name   string
		frames []frame
	}{
		{"short", []frame{text("hello")}},
		{"empty", []frame{text("")}},
		{"64 KiB", []frame{big(1 << 16)}},
		{"fragmented", []frame{start("one"), middle("two"), ping(""), end("three")}},
		{"deflated", []frame{{0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"}}},
		{"many", []frame{text("1"), text("2"), pong(""), text("3"), big(300)}},
	}
	for _, role := range bothRoles {
		for _, m := range messages {
			t.Run(fmt.Sprint(m.name, ", ", role), func(t *testing.T) {
				out := wireBytes(role, m.frames...)
				c, err := newGuard(t, opts).WrapConn(&treadmill{wireBytes(other(role), m.frames...)}, role)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Abort()
				p := make([]byte, 1<<17)
				for name, f := range map[string]func() (int, error){
					"Read":                     func() (int, error) { return c.Read(p) },
					"Write":                    func() (int, error) { return c.Write(out) },
					"Write of a frame's parts": func() (int, error) { c.Write(out[:2]); return c.Write(out[2:]) },
				} {
					if n := testing.AllocsPerRun(100, func() {
						if _, err := f(); err != nil {
							t.Error(err)
						}
					}); n != 0 {
						t.Errorf("%s allocates %v times", name, n)
					}
				}
			})
		}
	}
}

// No goroutine per open connection, and none behind one that has ended.
func TestNoGoroutinePerConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const strangers = 10 // the runtime's own, which come and go
		before := runtime.NumGoroutine() + strangers
		_, conns := fleet(t, 100, closeguard.Options{})
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines for 100 open connections", n)
		}
		for _, c := range conns {
			c.Close()
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 100 {
			t.Errorf("%d goroutines for 100 closing connections, want one each or less", n)
		}
		for _, c := range conns {
			c.send(closeWith(1001, ""))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines are left", n)
		}
	})
}

// A peer that claims a Close of 2^40 bytes costs nothing, and neither does a
// library that writes one.
func TestEndlessCloseCostsNothing(t *testing.T) {
	chunk := make([]byte, 32<<10)
	head := append(binary.BigEndian.AppendUint64([]byte{0x88, 0xff}, 1<<40), testMask[:]...)
	theirs := &treadmill{head}
	c, err := newGuard(t, closeguard.Options{}).WrapConn(theirs, closeguard.Server)
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64<<10)
	c.Read(p)
	theirs.bytes = chunk
	if cost := allocated(func() {
		for range 1000 { // 32 MB of it
			c.Read(p)
		}
	}); cost > 100<<10 {
		t.Errorf("reading it cost %d bytes", cost)
	}
	c.CloseWith(canceled(t), 1000, "")
	c.Abort()
	<-c.Done()
	var broken *closeguard.FrameError
	if ev := c.Event(); !errors.As(ev, &broken) || broken.Rule != "control frame length" || broken.Value != 1<<40 || len(broken.Payload) > 125 {
		t.Errorf("cause: %v", ev.End().Err)
	}

	c, err = newGuard(t, closeguard.Options{}).WrapConn(&treadmill{}, closeguard.Client)
	if err != nil {
		t.Fatal(err)
	}
	c.Write(head)
	if cost := allocated(func() {
		for range 1000 {
			if n, err := c.Write(chunk); n != len(chunk) || err != nil {
				t.Fatal(n, err)
			}
		}
	}); cost > 100<<10 {
		t.Errorf("writing it cost %d bytes", cost)
	}
	c.Abort()
	<-c.Done()
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
