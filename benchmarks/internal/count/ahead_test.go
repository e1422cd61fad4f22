//go:build !race

// The race detector makes pools forget.

package count_test

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// What is read ahead inside a long frame allocates nothing for each frame.
func TestReadingAheadAllocatesNothing(t *testing.T) {
	const size = 60_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer guard.Close()
	c, err := guard.WrapConn(raw, closeguard.Server)
	if err != nil {
		t.Fatal(err)
	}
	frame := append(binary.BigEndian.AppendUint16([]byte{0x82, 0x80 | 126}, size), make([]byte, 4+size)...)
	p := make([]byte, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := peer.Write(frame); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(frame); {
			k, err := c.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	}); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}
