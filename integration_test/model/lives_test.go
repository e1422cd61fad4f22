package model

import (
	"testing"

	"pgregory.net/rapid"
)

// Whatever a library, a program and a peer do, one step after the other or at
// the same moment: the event is what the wire says, and all ends within its
// limits.
func TestLives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := settings(rt)
		crowds := rapid.Bool().Draw(rt, "crowds")
		script := scripts(s, crowds).Draw(rt, "script")
		rapid.SyncTest(rt, func(rt *rapid.T) { live(rt, s, script) })
	})
}
