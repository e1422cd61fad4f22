// Package scenario is one table of what can happen to a WebSocket connection
// around its end: what the peer does, byte for byte, what the application
// does, and what must come out of it, on the wire and as event. Every row runs
// on every library, which need not be told apart to pass.
//
// It is a module of its own because some of the libraries need a newer Go than
// the one that closeguard supports.
package scenario
