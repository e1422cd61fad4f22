package closeguard_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A handler's deferred Close cuts a blocked Write inside a frame, and the
// handler goes on: no ping of the guard's may go into that frame (rule 9).
func TestNoPingInsideAFrameThatWasCut(t *testing.T) {
	for _, role := range bothRoles {
		t.Run(role.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := guardPipe(t, role, closeguard.Options{PingInterval: time.Second, PingTimeout: time.Hour}, 10, nil)
				go c.Driver().Serve(func() error {
					go c.Write(wireBytes(role, text("longer than the buffer")))
					synctest.Wait()
					c.Close()
					time.Sleep(time.Minute)
					return nil
				})
				time.Sleep(30 * time.Second)
				c.peerGets("text longer than the buffer | close 1000")
				c.peer.Close()
				c.ends("local closed 1000, sent 1000")
			})
		})
	}
}
