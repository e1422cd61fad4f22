//go:build race

package twintest

// poolsForget: under the race detector a sync.Pool drops some of what it is given.
const poolsForget = true
