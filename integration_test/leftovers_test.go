package integration_test

import (
	"context"
	"math"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/leftovers"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// obey does once what the first message says, and reads on where that makes sense.
func obey(r *http.Request, s socket) error {
	_, order, err := s.Read()
	if err != nil {
		return err
	}
	handle := closeguard.FromContext(r.Context())
	switch string(order) {
	case "return":
		return nil
	case "panic":
		panic(http.ErrAbortHandler)
	case "close":
		s.CloseWith(4001, "enough")
	case "CloseWith":
		return handle.CloseWith(context.Background(), 4001, "enough")
	case "CloseWith in the background":
		go handle.CloseWith(context.Background(), 4001, "enough")
	case "abort":
		handle.Abort()
	case "write":
		go handle.CloseWith(context.Background(), 4001, "enough")
		for s.Write(false, make([]byte, 100_000)) == nil {
		}
		return nil
	}
	for {
		if _, _, err := s.Read(); err != nil {
			return err
		}
	}
}

var orders = []string{"return", "panic", "close", "CloseWith", "CloseWith in the background", "abort", "write"}

// counter is an observer that counts close events and keeps nothing.
type counter struct{ opened, closed atomic.Int64 }

func (c *counter) Observe(_ context.Context, ev closeguard.Event) {
	switch ev.(type) {
	case *closeguard.Opened:
		c.opened.Add(1)
	case closeguard.CloseEvent:
		c.closed.Add(1)
	}
}

// eventually waits for what no event tells.
func eventually(t *testing.T, what func() string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(10 * time.Second); !holds(); <-look.C {
		if time.Now().After(deadline) {
			t.Fatalf("still, after 10 s: %s", what())
		}
	}
}

// live is how much is on the heap after two collections.
func live() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// What rude peers leave behind: no goroutine, no descriptor, no memory.
func TestRudePeersLeaveNothingBehind(t *testing.T) {
	const peers, perPeer = 200, 1 << 10
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			var count counter
			s := serve(t, scheme, closeguard.Options{
				CloseIdle: closeIdle, CloseTimeout: closeTimeout, Observers: []closeguard.Observer{&count},
			}, obey)
			s.events.Off = true
			round := func(t *testing.T) {
				var all []*rawpeer.Peer
				want := count.closed.Load() + peers
				for i := range peers {
					r := rudenesses[i%len(rudenesses)]
					order := orders[i/len(rudenesses)%len(orders)]
					p := rawpeer.Dial(t, s.url+endpoints[i%len(endpoints)].Path+"/peer", rawpeer.ReadBuffer(4<<10))
					if err := p.Write(rawpeer.Text(order)); err != nil {
						t.Fatal(err)
					}
					p.WriteBytes(r.begin) // fails where the order was to abort
					all = append(all, p)
				}
				eventually(t, func() string { return strings.Join(leftovers.Working(), "\n\n") }, func() bool { return count.closed.Load() == want })
				for _, p := range all {
					p.TCP.Close()
				}
			}
			goroutines, open := len(leftovers.Working()), leftovers.Descriptors(t)
			t.Run("first", round) // what is made once and kept is made here
			leftovers.Settle(t, 10*time.Second, goroutines, math.MaxInt)
			heap := live()
			t.Run("second", round)
			leftovers.Settle(t, 10*time.Second, goroutines, open)
			if more := int64(live() - heap); more > peers*perPeer {
				t.Errorf("%d bytes are kept for each of %d connections, want at most %d", more/peers, peers, perPeer)
			} else {
				t.Logf("%d bytes for each of %d connections", more/peers, peers)
			}
			if count.opened.Load() != 2*peers || count.closed.Load() != 2*peers {
				t.Errorf("%d opened, %d closed, want %d of each", count.opened.Load(), count.closed.Load(), 2*peers)
			}
		})
	}
}
