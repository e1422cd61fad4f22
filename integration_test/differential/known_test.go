package differential

import (
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A fault is a kind of difference in which the guard is worse. A row that is
// mended is removed, with whatever of its consequences its predicate names.
type fault struct {
	row
	shown script // in which it is seen
}

// scene makes the script that shows a fault.
func scene(library string, steps ...step) script { return script{library: library, steps: steps} }

var known = []fault{
	{row: row{
		"a Read behind Close is io.EOF and not net.ErrClosed if the peer sent early bytes and then FIN", "",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.reads(d.step) && d.sc.peerSends("at once") && strings.HasPrefix(d.bare, "net.ErrClosed") && d.guarded == "io.EOF"
		},
	}, shown: scene(ownLibrary, request("a WebSocket and sends at once text", goodUpgrade+string(frames(rawpeer.Text("early")).wire[0])),
		by(upgrades), by(reads), peerBy(halfCloses), by(reads), by(closesBare), by(reads))},
}
