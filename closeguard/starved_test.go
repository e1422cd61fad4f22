package closeguard_test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// rudely is how a peer behaves that answers no Close, until over is closed.
var rudely = map[string]func(c *guarded, over <-chan struct{}){
	"dead": func(*guarded, <-chan struct{}) {},
	"trickling": func(c *guarded, over <-chan struct{}) {
		for _, b := range wireBytes(closeguard.Client, big(4096)) {
			select {
			case <-over:
				return
			case <-time.After(15 * ms):
				c.peer.Write([]byte{b})
			}
		}
	},
	"half-closed": func(c *guarded, _ <-chan struct{}) { c.peer.CloseWrite() },
}

// leave closes the connection as a library does that closes with a code and is
// done with it.
func (c *guarded) leave() {
	c.write(closeWith(1008, ""))
	c.Close()
}

// answer answers the Close a round trip later, and reads until the end of TCP.
func (c *guarded) answer(trip time.Duration) {
	c.peerGets("close 1008")
	time.Sleep(trip)
	c.send(closeWith(1008, ""))
	io.Copy(io.Discard, c.peer)
	c.peer.Close()
}

// healthy opens a connection whose peer answers after a round trip, closes it,
// and returns how long the end took.
func healthy(t *testing.T, g *closeguard.Guard, log *recorder, trip time.Duration) time.Duration {
	t.Helper()
	c := log.open(t, g, closeguard.Server)
	go c.answer(trip)
	began := time.Now()
	c.leave()
	<-c.Done()
	if ev := c.Event(); !ev.Clean() {
		t.Errorf("after %v: %v", time.Since(began), ev)
	}
	return time.Since(began)
}

// However many peers answer no Close, the closing handshake with one that does
// takes a round trip, and is never told as unanswered.
func TestOthersDeadPeersCostNoTime(t *testing.T) {
	for _, n := range []int{0, 511, 3000} {
		for name, behave := range rudely {
			n := n
			if name == "trickling" {
				n = min(n, 1000) // 3,000 take 5 s under the race detector
			}
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					log := new(recorder)
					g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
					over := make(chan struct{})
					var peers sync.WaitGroup
					for range n {
						c := log.open(t, g, closeguard.Server)
						peers.Go(func() { behave(c, over) })
						c.leave()
					}
					// In the same moment as all the others it may wait for its turn.
					if took := healthy(t, g, log, ms); took > sec {
						t.Errorf("in the burst it took %v", took)
					}
					time.Sleep(500 * ms) // each had its first turn
					var wg sync.WaitGroup
					for i := range 20 {
						wg.Go(func() {
							time.Sleep(time.Duration(i) * 7 * ms)
							if took := healthy(t, g, log, ms); took != ms {
								t.Errorf("later it took %v, want a round trip, 1ms", took)
							}
							if took := healthy(t, g, log, 50*ms); took > 250*ms { // its second turn comes when all had one
								t.Errorf("it took %v, want a round trip, 50ms", took)
							}
						})
					}
					wg.Wait()
					close(over)
					peers.Wait()
					g.Close()
				})
			})
		}
	}
}

// Dead peers are closed one after the other, 200 a second, as read timeouts do it
// behind a partition. After CloseIdle as many end as begin.
func TestDeadPeersThatComeOneByOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := new(recorder)
		g := newGuard(t, closeguard.Options{Observers: []closeguard.Observer{log}})
		var wg sync.WaitGroup
		for i := range 200 * 7 {
			log.open(t, g, closeguard.Server).leave()
			if i%20 == 0 {
				wg.Go(func() {
					if took := healthy(t, g, log, ms); took != ms {
						t.Errorf("after %d dead ones it took %v, want a round trip, 1ms", i, took)
					}
				})
			}
			time.Sleep(5 * ms)
		}
		wg.Wait()
		g.Close()
	})
}
