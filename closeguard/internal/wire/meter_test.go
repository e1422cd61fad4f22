package wire

import (
	"strings"
	"testing"
)

// However a stream is cut, a Meter counts what the reference has before a Close or a
// broken frame.
func FuzzMeter(f *testing.F) {
	for _, stream := range frameSeeds {
		for mode := range byte(6) {
			f.Add([]byte(stream), []byte{1}, mode)
			f.Add([]byte(stream), []byte{3, 0, 7, 1}, mode)
		}
	}
	f.Add([]byte(strings.Join(frameSeeds[:4], "")), []byte{5, 2}, byte(0))
	f.Fuzz(func(t *testing.T, stream, cuts []byte, mode byte) {
		masked, claimed := mode&1 != 0, []byte{0, 7, 4, 4}[mode>>1&3]
		var messages, bytes uint64
		for _, frame := range reference(stream, masked, claimed).frames {
			if frame.fault != NoFault || frame.header.Opcode == Close {
				break
			}
			if frame.header.Opcode < 8 {
				bytes += uint64(len(frame.payload))
				if frame.whole && frame.header.Final {
					messages++
				}
			}
		}
		var whole, pieces Meter
		whole.Masked, pieces.Masked = masked, masked
		whole.Take(stream, claimed)
		for _, piece := range cut(stream, cuts...) {
			pieces.Take(piece, claimed)
		}
		for how, m := range map[string]Meter{"in one piece": whole, "in pieces": pieces} {
			if m.Messages != messages || m.Bytes != bytes {
				t.Errorf("%s: %d messages of %d bytes, want %d of %d", how, m.Messages, m.Bytes, messages, bytes)
			}
		}
	})
}
