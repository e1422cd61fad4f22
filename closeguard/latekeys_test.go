package closeguard

import (
	"net"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// A handler may set keys when its connection has ended, which it need not know yet:
// they would lead to what has ended for ever.
func TestKeysAfterTheEndAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ours, peer := net.Pipe()
		defer peer.Close()
		c, err := g.WrapConn(ours, Server)
		if err != nil {
			t.Fatal(err)
		}
		c.link.mu.Lock()
		c.link.app.Serving = true // its handler runs
		c.link.mu.Unlock()
		c.Abort()
		<-c.Done()
		if stage := c.link.machine().Stage(); stage != closing.Ended {
			t.Fatalf("its stage is %v", stage)
		}
		c.SetKeys("user:42")
		if len(g.keys) != 0 {
			t.Errorf("%d keys are left", len(g.keys))
		}
		c.link.mu.Lock()
		c.link.app.Serving = false
		c.link.run()
		c.link.mu.Unlock()
		g.Close()
	})
}
