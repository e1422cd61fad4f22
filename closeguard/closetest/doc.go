// Package closetest holds what tests of closing connections need.
//
// [Pipe] and [Listen] make connections in memory that end the way TCP ends them: with a FIN, with a reset, or
// not at all. They are made for [testing/synctest]: a goroutine that waits in one of their methods is durably
// blocked, deadlines follow the bubble's clock, and nothing runs in the background. What a bubble uses must be made
// and closed in it; the garbage collector's finalizers and cleanups run outside of every bubble.
package closetest
