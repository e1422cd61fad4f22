package closeguard_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"slices"
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

// Whatever is sent in parts arrives in parts, either way and as soon as bare: who pauses
// in the middle of a frame, or of its header, is not waited for.
func TestNobodyWaitsForTheRestOfAFrame(t *testing.T) {
	for _, size := range []int{10, 1000, 70_000} {
		for _, way := range []string{"in", "out"} {
			took := map[string]time.Duration{}
			for _, how := range []string{"bare", "guarded"} {
				ours, peer := tcpPair(t)
				var library net.Conn = ours
				if how == "guarded" {
					c, err := newGuard(t, closeguard.Options{}).WrapConn(ours, closeguard.Server)
					is(t, err)
					defer c.Abort()
					library = c
				}
				from, to, role := net.Conn(peer), library, closeguard.Client
				if way == "out" {
					from, to, role = library, peer, closeguard.Server
				}
				var all []time.Duration
				frame := wireBytes(role, big(size))
				for _, at := range cuts(frame) {
					if at >= len(frame) {
						continue
					}
					for _, part := range [][]byte{frame[:at], frame[at:]} {
						began := time.Now()
						go from.Write(part)
						got := make([]byte, len(part))
						to.SetReadDeadline(began.Add(30 * sec))
						n, err := to.Read(got[:min(len(got), 4096)])
						is(t, err)
						all = append(all, time.Since(began))
						_, err = io.ReadFull(to, got[n:])
						is(t, err)
						if !bytes.Equal(got, part) {
							t.Errorf("%s, %s, %d bytes cut at %d: what arrives is not what was sent", how, way, size, at)
						}
					}
				}
				slices.Sort(all)
				took[how] = all[len(all)*9/10]
			}
			if took["guarded"] > took["bare"]+time.Millisecond {
				t.Errorf("%s, %d bytes: 9 of 10 first bytes arrive within %v, bare %v", way, size, took["guarded"], took["bare"])
			}
		}
	}
}
