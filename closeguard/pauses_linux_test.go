package closeguard_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// cuts are where a sender pauses in a frame: at every byte of the longest header there
// is, and at some of the payload.
func cuts(frame []byte) []int {
	random := rand.New(rand.NewPCG(1, 2))
	var at []int
	for i := 1; i < 16; i++ {
		at = append(at, i)
	}
	for range 50 {
		at = append(at, 1+random.IntN(len(frame)-1))
	}
	return at
}

// Whatever is sent in parts arrives in parts, either way, within a millisecond: who pauses
// in the middle of a frame, or of its header, is not waited for. A busy machine may take
// longer now and then, so that each pause has several tries.
func TestNobodyWaitsForTheRestOfAFrame(t *testing.T) {
	const tries = 50
	for _, size := range []int{10, 1000, 70_000} {
		for _, way := range []string{"in", "out"} {
			c, peer := guardTCP(t, newGuard(t, closeguard.Options{}))
			from, to, role := net.Conn(peer), net.Conn(c), closeguard.Client
			if way == "out" {
				from, to, role = c, peer, closeguard.Server
			}
			frame := wireBytes(role, big(size))
			for _, at := range cuts(frame) {
				took := time.Hour
				for i := 0; i < tries && took > time.Millisecond && at < len(frame); i++ {
					took = max(arrives(t, from, to, frame[:at]), arrives(t, from, to, frame[at:]))
				}
				if took > time.Millisecond && at < len(frame) {
					t.Errorf("%s, %d bytes cut at %d: the first byte of a part takes %v, want at most 1ms", way, size, at, took)
				}
			}
			c.Abort()
		}
	}
}

// arrives sends a part, and returns how long its first byte takes.
func arrives(t *testing.T, from io.Writer, to net.Conn, part []byte) time.Duration {
	t.Helper()
	began := time.Now()
	go from.Write(part)
	got := make([]byte, len(part))
	to.SetReadDeadline(began.Add(30 * sec))
	n, err := to.Read(got[:min(len(got), 4096)])
	is(t, err)
	took := time.Since(began)
	_, err = io.ReadFull(to, got[n:])
	is(t, err)
	if !bytes.Equal(got, part) {
		t.Error("what arrives is not what was sent")
	}
	return took
}
