package main

import (
	"net"
	"testing"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/wsraw"
	"github.com/closeguard/ws/closeguard"
)

// instantConn does no I/O: what a benchmark on it measures is what is above it.
type instantConn struct {
	net.Conn
	incoming []byte
}

func (c *instantConn) Read(p []byte) (int, error)       { return copy(p, c.incoming), nil }
func (c *instantConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *instantConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *instantConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *instantConn) SetWriteDeadline(time.Time) error { return nil }
func (c *instantConn) SetReadDeadline(time.Time) error  { return nil }
func (c *instantConn) SetDeadline(time.Time) error      { return nil }
func (c *instantConn) Close() error                     { return nil }

// What the guard adds to a Read that brings one message, to a Write of one and
// to a library's setting a deadline.
func BenchmarkOverhead(b *testing.B) {
	incoming := wsraw.Message(64, false)
	outgoing := append([]byte{0x82, 64}, make([]byte, 64)...)
	guarded := func(b *testing.B) *closeguard.Conn {
		g, err := closeguard.New(closeguard.Options{})
		if err != nil {
			b.Fatal(err)
		}
		c, err := g.WrapConn(&instantConn{incoming: incoming}, closeguard.Server)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Abort)
		return c
	}
	buf := make([]byte, 4096)
	b.Run("Read", func(b *testing.B) {
		c := guarded(b)
		b.ReportAllocs()
		for b.Loop() {
			if n, err := c.Read(buf); n != len(incoming) || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("Write", func(b *testing.B) {
		c := guarded(b)
		b.ReportAllocs()
		for b.Loop() {
			if n, err := c.Write(outgoing); n != len(outgoing) || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("SetWriteDeadline", func(b *testing.B) {
		c := guarded(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := c.SetWriteDeadline(time.Time{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("time.Since", func(b *testing.B) {
		start := time.Now()
		for b.Loop() {
			_ = time.Since(start)
		}
	})
}
