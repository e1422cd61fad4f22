package wire

import (
	"fmt"
	"testing"
)

// makeFrame is a whole binary frame with n bytes of payload.
func makeFrame(n int, masked bool) []byte {
	b := []byte{0x80 | byte(Binary), 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
	switch {
	case n < 126:
		b = append(b[:1], byte(n))
	case n < 1<<16:
		b = append(b[:1], 126, byte(n>>8), byte(n))
	}
	if masked {
		b[1] |= 0x80
		b = append(b, aMask[:]...)
	}
	return append(b, make([]byte, n)...)
}

// What it costs to follow data frames that pass, in reads of 4 KiB.
func BenchmarkScanner(b *testing.B) {
	for _, size := range []int{0, 64, 4 << 10, 64 << 10} {
		for _, masked := range []bool{false, true} {
			b.Run(fmt.Sprintf("size=%d/masked=%v", size, masked), func(b *testing.B) {
				frame := makeFrame(size, masked)
				s := Scanner{Masked: masked}
				b.SetBytes(int64(len(frame)))
				b.ReportAllocs()
				for b.Loop() {
					for p := frame; len(p) > 0; {
						n := min(len(p), 4<<10)
						skip(&s, p[s.Data(p[:n]):n])
						p = p[n:]
					}
				}
				if s.Fault() != NoFault || !s.Between() {
					b.Fatalf("ends with fault %d", s.Fault())
				}
			})
		}
	}
}

func BenchmarkScannerByteByByte(b *testing.B) {
	frame := makeFrame(64, true)
	s := Scanner{Masked: true}
	b.ReportAllocs()
	for b.Loop() {
		for i := range frame {
			skip(&s, frame[i:i+1])
		}
	}
}

func BenchmarkCollector(b *testing.B) {
	for _, mask := range []*[4]byte{nil, &aMask} {
		b.Run(fmt.Sprintf("masked=%v", mask != nil), func(b *testing.B) {
			frame := AppendControl(nil, Close, []byte("\x03\xe9server shutting down"), mask)
			var c Collector
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				collect(&c, &Scanner{Masked: mask != nil}, frame)
			}
			if string(c.Payload()[2:]) != "server shutting down" {
				b.Fatalf("got %q", c.Payload())
			}
		})
	}
}

func BenchmarkHead(b *testing.B) {
	head := []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		var h Head
		if n := h.Feed(head); n != len(head) || !h.Done() {
			b.Fatal(n)
		}
	}
}
