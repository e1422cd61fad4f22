package hostile

import (
	"fmt"

	"github.com/closeguard/ws/closeguard"
)

// addsUp looks whether the guard's counts agree with themselves.
func (c *crowd) addsUp() {
	s := c.guard.Stats()
	if s.Opened != uint64(s.Open)+s.PeerClosed+s.LocalClosed+s.Dropped || s.Open < 0 || s.Closing < 0 || s.Closing > s.Open || s.Draining > s.Open {
		c.wrongCrowd(c.number, fmt.Sprintf("the guard counts %+v", s))
	}
}

// counted looks whether the guard counts as many, once all have ended, as it has
// told of.
func (c *crowd) counted() {
	var told closeguard.Stats
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.connections {
		of.mu.Lock()
		told.Opened += uint64(of.opened)
		for _, ev := range of.closed {
			switch ev.(type) {
			case *closeguard.PeerClosed:
				told.PeerClosed++
			case *closeguard.LocalClosed:
				told.LocalClosed++
			case *closeguard.Dropped:
				told.Dropped++
			}
		}
		of.mu.Unlock()
	}
	if s := c.guard.Stats(); s != told {
		c.wrongCrowd(c.number, fmt.Sprintf("the guard counts %+v, and told of %+v", s, told))
	}
}
