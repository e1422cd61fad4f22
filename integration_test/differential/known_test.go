package differential

import (
	"regexp"
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
		"net/http's log of a superfluous WriteHeader names the guard and not who called, as for every writer that wraps net/http's", "",
		func(d difference) bool {
			return d.is(ofServer) && strings.Contains(d.guarded, "superfluous response.WriteHeader call from") &&
				strings.Contains(d.guarded, "closeguard.(*upgrade)") && unsigned(d.bare) == unsigned(d.guarded)
		},
	}, shown: scene(gorillaLibrary, request("a WebSocket", goodUpgrade), step{who: handler, verb: answers, code: 500}, step{who: handler, verb: answers, code: 500})},
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
	{row: row{
		"http.MaxBytesReader can't tell net/http through the guard's writer that a body is too large", "",
		func(d difference) bool {
			return d.sc.below == maxBytesWrapper && d.sc.does(handler, readsBody) && d.is(ofAnswer, ofEnd, ofTime) &&
				strings.Contains(d.bare+d.b.answer, "Connection: close")
		},
	}, shown: script{library: gorillaLibrary, below: maxBytesWrapper, steps: []step{
		request("a WebSocket with a long body", strings.Replace(goodUpgrade, "\r\n\r\n", "\r\nContent-Length: 500\r\n\r\n", 1)+strings.Repeat("x", 500)), by(readsBody), by(returns),
	}}},
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

var callers = regexp.MustCompile(`from \S+ \(\S+:\d+\)`)

func unsigned(lines string) string { return callers.ReplaceAllString(lines, "from somewhere") }
