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

// after is a good opening and then these steps.
func after(steps ...step) []step { return append(opening(), steps...) }

var known = []fault{
	{row: row{
		"the request's context doesn't end when reading through the hijacked reader fails", "",
		func(d difference) bool {
			if d.sc.library != ownLibrary && d.sc.library != xnetLibrary {
				return false
			}
			return d.is(ofContext) && strings.HasPrefix(d.bare, "ended") && !strings.HasPrefix(d.guarded, "ended") ||
				d.verb() == awaitsContext && d.bare == "context.Canceled" && d.guarded == blocked ||
				d.sc.waitsInVain(d.b, d.g) && (d.guarded == "" || d.is(ofHandler, ofServer, ofPanic, ofFrames, ofEnd, ofTime))
		},
	}, shown: scene(ownLibrary, after(peerBy(halfCloses), by(reads))...)},
	{row: row{
		"a Read behind Close is io.EOF and not net.ErrClosed if the peer sent early bytes and then FIN", "",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.reads(d.step) && d.sc.peerSends("at once") && strings.HasPrefix(d.bare, "net.ErrClosed") && d.guarded == "io.EOF"
		},
	}, shown: scene(ownLibrary, request("a WebSocket and sends at once text", goodUpgrade+string(frames(rawpeer.Text("early")).wire[0])),
		by(upgrades), by(reads), peerBy(halfCloses), by(reads), by(closesBare), by(reads))},
}

// waitsInVain reports whether the handler waits for its context, guarded alone.
func (sc script) waitsInVain(b, g observation) bool {
	for i, s := range sc.steps {
		if s.verb == awaitsContext && g.calls[i] == blocked && b.calls[i] != blocked {
			return true
		}
	}
	return false
}
