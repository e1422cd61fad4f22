package closeguard_test

import (
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// The peer reads nothing, so that our Close is stuck, and closes itself: its
// Close counts, however short the limits are.
func TestThePeersCloseWhileOursIsStuck(t *testing.T) {
	for _, idle := range []time.Duration{10 * time.Millisecond, time.Second, 5 * time.Second} {
		for _, role := range bothRoles {
			t.Run(idle.String()+" "+role.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guardPipe(t, role, closeguard.Options{CloseIdle: idle}, 1, nil)
					go c.sendBytes(wireBytes(other(role), closeWith(1000, "bye")))
					c.Close()
					c.ends("peer closed 1000, received 1000 bye")
					c.peer.Close()
				})
			})
		}
	}
}
