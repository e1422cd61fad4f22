package faults

import (
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// Who begins to close is in the code: the server's are below, the peers' from
// this on. An answer repeats it.
const peersCodes = 4000

// answers says by the codes which Close is an answer.
func answers(theirs, ours *rawpeer.Frame) (peer, server bool) {
	return theirs.CloseCode() < peersCodes, ours.CloseCode() >= peersCodes
}
