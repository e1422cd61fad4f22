package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A row is a kind of difference.
type row struct {
	name  string
	why   string // the principle or the rule of the design that allows it
	holds func(difference) bool
}

// The differences that are meant. A row is as narrow as it can be: it looks at
// the frames of both plays and says which part of which difference it means.
var allowed = []row{
	{
		"the guard's log says that a request for a WebSocket got no answer by the guard's ResponseWriter",
		"principle 3: the truth in the logs",
		func(d difference) bool {
			return d.is(ofGuard) && d.bare == "" && strings.Count(d.guarded, "\n") <= 1 &&
				strings.Contains(d.guarded, "was not answered by the guard's ResponseWriter") && d.sc.does(handler, returns, detaches)
		},
	},
	{
		"an illegal Close of the handler's is replaced by a legal one",
		"rule 2",
		func(d difference) bool {
			bare, n, _, ok := closeIn(d.b.frames)
			return d.is(ofFrames) && ok && !legal(bare) && sameBut(d.b.frames, d.g.frames, n)
		},
	},
	{
		"nothing follows our Close",
		"rule 3",
		func(d difference) bool {
			_, n, behind, ok := closeIn(d.b.frames)
			return d.is(ofFrames) && ok && (behind > 0 || len(d.b.rest) > 0) && len(d.g.rest) == 0 && same(d.b.frames[:n+1], d.g.frames)
		},
	},
	{
		"a write behind our Close fails",
		"rule 3",
		func(d difference) bool {
			if _, before, _, ok := closeIn(d.g.frames); d.verb() == writesAside && (!ok || before > 0) {
				return false // it had begun
			}
			return (d.verb() == writes || d.verb() == writesAside) && (d.bare == "ok" || strings.Contains(d.bare, "ECONNRESET") || strings.Contains(d.bare, "EPIPE")) &&
				strings.HasPrefix(d.guarded, "net.ErrClosed") && (closed(d.g) || d.sc.triedBefore(d.step, d.g, endings...) || d.sc.peerSendsClose() ||
				d.sc.library == xnetLibrary && d.sc.triedBefore(d.step, d.g, readings...)) // its Read closes by itself
		},
	},
	{
		"what follows our Close, or a write that failed for it, fails, too, in a library that remembers errors",
		"rule 3",
		func(d difference) bool {
			if d.is(ofContext) { // and its Read, which would have ended it, doesn't read
				return d.sc.library == xnetLibrary && closed(d.g) && strings.HasPrefix(d.bare, "ended") && strings.HasPrefix(d.guarded, "not ended") &&
					d.sc.says(d.g, "net.ErrClosed, net.OpError of write", writes) && d.sc.says(d.g, "net.ErrClosed, net.OpError of write", readings...)
			}
			return d.is(ofCall) && d.sc.library == xnetLibrary && (slices.Contains(endings, d.verb()) || d.sc.reads(d.step)) &&
				d.guarded == "net.ErrClosed, net.OpError of write" && d.sc.triedBefore(d.step, d.g, slices.Concat([]string{writes}, readings, endings)...)
		},
	},
	{
		"the peer's Close is answered",
		"rule 4",
		func(d difference) bool {
			return d.is(ofFrames) && d.sc.peerSendsClose() && oneMore(d.b.frames, d.g.frames, func(rawpeer.Frame) bool { return true })
		},
	},
	{
		"the answer to an illegal Close of the peer's has its code",
		"rule 4",
		func(d difference) bool {
			f, n, _, ok := closeIn(d.b.frames)
			g, _, _, _ := closeIn(d.g.frames)
			return d.is(ofFrames) && d.sc.peerSendsClose() && ok && sameBut(d.b.frames, d.g.frames, n) &&
				(!legal(f) || g.CloseCode() == 1002 || g.CloseCode() == 1007 || g.CloseCode() == 1014)
		},
	},
	{
		"the guard answers the peer's Close as soon as the library reads on, and the library's own later Close is dropped",
		"rule 4",
		func(d difference) bool {
			_, n, _, ok := closeIn(d.b.frames)
			if !d.is(ofFrames) || !d.sc.peerSendsClose() || !ok || !sameBut(d.b.frames, d.g.frames, n) {
				return false
			}
			code := d.g.frames[n].CloseCode()
			return code == 1005 || d.sc.peerSends(fmt.Sprintf("close %d", code))
		},
	},
	{
		"the guard answers the peer's Close as soon as the library reads on, and what the library still writes fails",
		"rules 3 and 4",
		func(d difference) bool {
			_, n, _, ok := closeIn(d.g.frames)
			return d.is(ofFrames) && d.sc.peerSendsClose() && ok && len(d.g.frames) == n+1 && answer(d.g.frames[n]) &&
				len(d.b.frames) > n && same(d.b.frames[:n], d.g.frames[:n])
		},
	},
	{
		"a peer that broke a rule is told 1002 where bare there is no word",
		"rule 5",
		func(d difference) bool {
			return d.is(ofFrames) && d.sc.peerBreaksRules() &&
				oneMore(d.b.frames, d.g.frames, func(f rawpeer.Frame) bool { return f.CloseCode() == 1002 })
		},
	},
	{
		"the peer is told 1011 of a handler that panics",
		"principle 2",
		func(d difference) bool {
			return d.is(ofFrames) && d.g.panic != "" &&
				oneMore(d.b.frames, d.g.frames, func(f rawpeer.Frame) bool { return f.CloseCode() == 1011 })
		},
	},
	{
		"the peer's answer to a Close that was replaced is another",
		"rule 2",
		func(d difference) bool {
			bare, _, _, ok := closeIn(d.b.frames)
			return d.is(ofCall) && d.sc.answers && ok && !legal(bare) && strings.Contains(d.bare, "lose") && strings.Contains(d.guarded, "lose")
		},
	},
	{
		"a peer that has closed and doesn't read for CloseIdle loses what it hasn't read",
		"rule 7",
		func(d difference) bool {
			n := len(d.g.frames)
			return d.is(ofFrames) && d.sc.pace == never && d.sc.peerSendsClose() && len(d.b.frames) > n && same(d.b.frames[:n], d.g.frames)
		},
	},
	{
		"no reset destroys what is on its way",
		"rule 6",
		func(d difference) bool {
			n := len(d.b.frames)
			return d.b.end == byRST && d.is(ofEnd) || d.b.end == byRST && d.is(ofFrames) && len(d.g.frames) > n && same(d.b.frames, d.g.frames[:n])
		},
	},
	{
		"TCP stays open for the answer to our Close",
		"rules 6 and 7",
		func(d difference) bool {
			return closed(d.g) && (d.is(ofEnd) && d.bare == byFIN && d.guarded == byItself ||
				d.is(ofTime) && d.bare == atIdle && d.guarded == notSoon && d.sc.pace == slow && d.sc.does(handler, writes, writesAside) ||
				d.is(ofTime) && d.bare == atOnce && (d.guarded == atIdle || d.sc.does(handler, writes, writesAside)) && // what is acknowledged is a sign of life
					(!d.sc.peerMalformsClose() || d.sc.peerSends("that claims")) &&
					(!d.sc.closedBothWays() || d.sc.peerBreaksRules() || d.sc.pace == slow)) // who reads slowly answers late
		},
	},
	{
		"TCP is closed in the background, a moment after Close has returned, and the peer was faster",
		"rule 6",
		func(d difference) bool {
			return d.is(ofEnd) && d.bare == byFIN && d.guarded == byItself && (d.sc.defers || d.g.panic != "" || d.sc.does(handler, endings...))
		},
	},
	{
		"the server ends TCP behind both Closes, or at a limit",
		"rules 6 and 7, RFC 6455 section 7.1.1",
		func(d difference) bool {
			return closed(d.g) && (d.is(ofEnd) && d.guarded == byFIN || d.is(ofTime) && (d.b.end == stillOpen || d.sc.pace != eager && sooner(d.guarded, d.bare)))
		},
	},
	{
		"a connection whose peer has ended its stream, and which the program doesn't read or close any more, ends after CloseTimeout",
		"rule 7: forgotten connections",
		func(d difference) bool {
			return d.is(ofEnd, ofTime) && d.sc.does(peer, halfCloses) && !closed(d.g) && d.b.end == stillOpen && d.g.end == byFIN
		},
	},
	{
		"a handler's panic ends the connection, where bare it stays open for ever",
		"principle 2: 1011 for a panic, or the end alone if no Close can leave",
		func(d difference) bool {
			n := len(d.g.frames)
			cut := d.is(ofFrames) && d.sc.does(handler, writesAside) && len(d.b.frames) > n && same(d.b.frames[:n], d.g.frames)
			return d.g.panic != "" && (cut || d.verb() == writesAside && strings.HasPrefix(d.guarded, "net.ErrClosed") || d.is(ofEnd) && (d.bare == stillOpen || d.bare == byItself) || d.is(ofTime) && sooner(d.guarded, d.bare))
		},
	},
	{
		"an io.EOF inside a message is another error for coder/websocket, which takes it for the message's end",
		"rule 8",
		func(d difference) bool {
			if d.is(ofCall) && slices.Contains(endings, d.verb()) && d.bare == "io.EOF" && d.guarded == "ok" {
				// The error has closed the connection for coder, where bare its Close
				// finds the end.
				return d.sc.library == coderLibrary && slices.ContainsFunc(d.g.calls[:d.step], saysInside)
			}
			return d.is(ofCall) && d.sc.library == coderLibrary && !strings.Contains(d.bare, "EPIPE") && saysInside(d.guarded)
		},
	},
	{
		"a call that waits for the peer's Close ends at a limit",
		"rule 7",
		func(d difference) bool {
			return d.is(ofCall) && d.guarded == "os.ErrDeadlineExceeded, Timeout" && closed(d.g) && (!d.sc.closedBothWays() || d.sc.peerBreaksRules()) &&
				(d.sc.reads(d.step) || d.sc.library == coderLibrary && slices.Contains(endings, d.verb()))
		},
	},
	{
		"a call that blocks bare ends with the connection",
		"rules 6 and 7",
		func(d difference) bool {
			return d.is(ofCall) && d.bare == blocked && closed(d.g) && (d.sc.reads(d.step) || slices.Contains(endings, d.verb())) &&
				(strings.Contains(d.guarded, "EOF") || strings.HasPrefix(d.guarded, "net.ErrClosed") || strings.HasPrefix(d.guarded, "os.ErrDeadlineExceeded"))
		},
	},
	{
		"TCP ends behind the answer to the Close of a peer that sends no other one, or is gone, and calls find that",
		"rule 7: nothing more is awaited of such a peer",
		func(d difference) bool {
			gone := d.sc.does(peer, closes, resets)
			over := d.sc.peerMalformsClose() && closed(d.g) || d.sc.peerSendsClose() && gone
			if !d.is(ofCall) || !over {
				return false
			}
			switch {
			case strings.HasPrefix(d.guarded, "net.ErrClosed"):
				return true
			case d.guarded == "ok":
				// coder's Close takes the rest of the broken Close for frames.
				return d.bare == blocked || d.bare == "io.EOF" || d.sc.library == coderLibrary && slices.Contains(endings, d.verb()) &&
					strings.HasPrefix(d.bare, `"failed to close WebSocket: received `)
			}
			// And what coder says of a Read that failed before.
			return d.sc.library == coderLibrary && d.sc.reads(d.step) && strings.Contains(d.guarded, "previous message not read to completion") &&
				slices.ContainsFunc(d.g.calls[:d.step], func(call string) bool { return strings.HasPrefix(call, "net.ErrClosed") })
		},
	},
	{
		"a handler goes on whose call bare is blocked",
		"rules 6 and 7",
		func(d difference) bool {
			at := slices.Index(d.b.calls, blocked)
			if at < 0 || d.g.calls[at] == blocked {
				return false
			}
			return d.is(ofCall) && d.step > at && d.bare == "" || d.is(ofHandler) && d.guarded == "returned" ||
				d.is(ofServer, ofPanic) && strings.HasPrefix(unsigned(d.guarded), unsigned(d.bare)) || d.is(ofContext) && d.sc.does(handler, returns, panics, aborts)
		},
	},
	{
		"the request's context ends when a Read by the hijacked reader finds that the guard has ended TCP",
		"rules 6, 7 and 11",
		func(d difference) bool {
			ends := d.is(ofContext) && strings.HasPrefix(d.bare, "not ended") && strings.HasPrefix(d.guarded, "ended") ||
				d.verb() == awaitsContext && d.bare == blocked && d.guarded == "context.Canceled"
			return ends && (d.sc.library == ownLibrary || d.sc.library == xnetLibrary) && d.g.end != stillOpen &&
				(closed(d.g) || d.sc.triedBefore(len(d.sc.steps), d.g, endings...)) && d.sc.triedBefore(len(d.sc.steps), d.g, readings...)
		},
	},
	{
		"who reads long after its own Close finds that the guard has read the answer",
		"rule 6",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.reads(d.step) && d.sc.does(peer, waits, trickles) && (closed(d.g) || d.sc.triedBefore(d.step, d.g, endings...)) &&
				(d.guarded == "io.EOF" || strings.HasPrefix(d.guarded, "net.ErrClosed") || strings.HasPrefix(d.guarded, "gorilla.CloseError 1006"))
		},
	},
	{
		"a call behind a limit says so",
		"rule 7",
		func(d difference) bool {
			return d.is(ofCall) && d.guarded == "os.ErrDeadlineExceeded, Timeout" && closed(d.g) && (!d.sc.closedBothWays() || d.sc.peerBreaksRules() || d.sc.does(peer, waits, trickles))
		},
	},
	{
		"a Close after the end fails with another error of coder/websocket's",
		"rule 6",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.library == coderLibrary && slices.Contains(endings, d.verb()) && d.bare == "net.ErrClosed" &&
				(d.guarded != "ok" || d.verb() == closesBare) && d.guarded != blocked && (d.sc.peerSendsClose() || closed(d.g) && d.sc.closedBothWays())
		},
	},
	{
		"a second Close is no error, whatever has become of TCP",
		"rule 3",
		func(d difference) bool {
			return d.is(ofCall) && (slices.Contains(endings, d.verb()) && d.guarded == "ok" || d.sc.library == xnetLibrary && d.sc.reads(d.step) && d.guarded == "io.EOF") &&
				(strings.Contains(d.bare, "EPIPE") || strings.Contains(d.bare, "ECONNRESET")) &&
				(d.sc.triedBefore(d.step, d.g, endings...) ||
					(d.sc.peerSendsClose() || d.sc.library == xnetLibrary) && d.sc.triedBefore(d.step, d.g, readings...)) // the guard has answered, or x/net has closed by itself
		},
	},
	{
		"reading on behind the end of TCP is net.ErrClosed once the guard has closed it",
		"rule 6",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.reads(d.step) && d.bare == "io.EOF" && strings.HasPrefix(d.guarded, "net.ErrClosed") &&
				d.sc.triedBefore(d.step, d.g, slices.Concat(readings, endings)...)
		},
	},
	{
		"x/net reads on behind a Close, from the middle of it, and the Closes differ",
		"rule 2: the library's affair",
		func(d difference) bool {
			if d.is(ofContext) {
				return d.sc.library == xnetLibrary && d.sc.closedBothWays() // that Read ends it, or doesn't read at all
			}
			return d.is(ofCall) && d.sc.library == xnetLibrary && d.sc.reads(d.step) && (strings.HasPrefix(d.guarded, "text") || strings.HasPrefix(d.bare, "text") && d.guarded == "io.EOF") &&
				d.sc.triedBefore(d.step, d.g, slices.Concat(readings, endings)...)
		},
	},
	{
		"a pong behind our Close is dropped, and with it the error that a library's Read returns for it",
		"rule 3",
		func(d difference) bool {
			return d.is(ofCall) && d.sc.library == xnetLibrary && d.sc.reads(d.step) && d.sc.peerSends("ping") && d.sc.triedBefore(d.step, d.g, endings...) &&
				slices.ContainsFunc(d.b.calls, func(call string) bool { return strings.HasSuffix(call, "net.OpError of write") })
		},
	},
	{
		"a write that is dropped behind our Close leaves the reset for a Read to find",
		"rule 3",
		func(d difference) bool {
			ended := strings.Contains(d.bare, "EOF") || d.sc.library == xnetLibrary && strings.HasPrefix(d.bare, "text") // x/net takes an end for a message's
			return d.is(ofCall) && d.sc.reads(d.step) && d.sc.does(peer, resets) && strings.HasPrefix(d.guarded, "ECONNRESET") && ended &&
				d.sc.triedBefore(d.step, d.g, append([]string{writes}, endings...)...)
		},
	},
	{
		"which of the kernel's two errors a write behind a reset gets",
		"no rule: the kernel's affair",
		func(d difference) bool {
			one := func(s string) string { return strings.ReplaceAll(s, "ECONNRESET", "EPIPE") }
			// Once the guard has closed what the reset had ended, a Write says what a Read found.
			afterEnd := slices.Contains(endings, d.verb()) && d.sc.does(peer, resets) && d.sc.triedBefore(d.step, d.g, endings...) &&
				strings.ReplaceAll(one(d.guarded), "of read", "of write") == one(d.bare)
			return d.is(ofCall) && (one(d.bare) == one(d.guarded) || afterEnd)
		},
	},
	{
		"whether the peer's bytes come before net/http closes a connection whose handler panicked without an answer",
		"no rule: the order of the two, which differs from play to play, bare and guarded",
		func(d difference) bool {
			return d.is(ofEnd) && d.bare == byFIN && d.guarded == byRST && d.b.panic != "" && d.g.panic != "" &&
				d.b.answer == "" && d.g.answer == "" && d.sc.does(peer, sends)
		},
	},
	{
		"where something points to the end, or nothing is written any more, gorilla's two parts are two Writes",
		"rule 12: parts are joined while a connection is only open",
		func(d difference) bool {
			if !d.is(ofCall) || d.sc.library != gorillaLibrary {
				return false
			}
			// The second of two writes finds out that the peer is gone.
			second := d.verb() == writes && d.sc.steps[d.step].size > 4096 && d.sc.does(peer, closes, resets) && d.bare == "ok"
			// And gorilla remembers what a write failed with.
			remembered := d.sc.triedBefore(d.step, d.g, writes) && (strings.HasPrefix(d.bare, "net.ErrClosed") || d.bare == `"websocket: invalid control frame"`)
			return strings.ReplaceAll(d.bare, "writev", "write") == d.guarded || (second || remembered) && strings.HasPrefix(d.guarded, "EPIPE")
		},
	},
	{
		"reading on behind both Closes is io.EOF",
		"rule 6",
		func(d difference) bool {
			waits := d.sc.reads(d.step) || d.sc.library == coderLibrary && slices.Contains(endings, d.verb())
			return d.is(ofCall) && waits && (d.guarded == "io.EOF" || d.guarded == "io.ErrUnexpectedEOF") && (closed(d.g) || d.sc.peerSendsClose()) && d.sc.closedBothWays()
		},
	},
	{
		"deadlines fail on a connection that has ended, which is at another moment, in the background",
		"rule 6",
		func(d difference) bool {
			return d.is(ofCall) && d.verb() == setsDeadlines && (d.bare == "ok, ok" || d.guarded == "ok, ok") &&
				(strings.Contains(d.bare, "net.ErrClosed") || strings.Contains(d.guarded, "net.ErrClosed"))
		},
	},
	{
		"http.MaxBytesReader can't tell net/http that a body is too large, which then keeps the connection",
		"it asks the ResponseWriter for requestTooLarge, which only net/http's own can have: lost below every writer that wraps it",
		func(d difference) bool {
			return d.sc.below == maxBytesWrapper && d.sc.does(handler, readsBody) && d.is(ofAnswer, ofEnd, ofTime) &&
				strings.Contains(d.bare+d.b.answer, "Connection: close")
		},
	},
	{
		"a library finds the Hijacker that a wrapper hides from type assertions, but not from Unwrap",
		"principle 1: more works",
		func(d difference) bool {
			return d.sc.above == delegatingWrapper && slices.ContainsFunc(d.b.calls, func(call string) bool { return strings.Contains(call, "Hijacker") })
		},
	},
	{
		"a panic names another writer that is no Hijacker",
		"the handler's writer is the guard's",
		func(d difference) bool {
			const no = " is not http.Hijacker: missing method Hijack"
			return strings.Contains(d.bare, no) && strings.Contains(d.guarded, "closeguard.answer"+no) && writers.ReplaceAllString(d.bare, "") == writers.ReplaceAllString(d.guarded, "")
		},
	},
	{
		"a flush behind Hijack is an error, where net/http panics",
		"principle 1: more works",
		func(d difference) bool {
			return (d.sc.does(handler, flushes, flushesError)) && strings.Contains(d.b.panic, "nil pointer dereference") && !strings.Contains(d.g.panic, "nil pointer dereference")
		},
	},
}

var callers = regexp.MustCompile(`from \S+ \(\S+:\d+\)`)

func unsigned(lines string) string { return callers.ReplaceAllString(lines, "from somewhere") }

// writers are what a failed type assertion names.
var writers = regexp.MustCompile(`conversion: \S+ is not`)

// endings are the calls that close.
var endings = []string{closesWith, writesClose, closesBare}

// readings are the calls that read.
var readings = []string{reads, readsContext, readsDeadline, cancels}

// saysInside reports whether a call tells that the end came inside a message.
func saysInside(call string) bool { return strings.Contains(call, "ended inside a message") }

// legal reports whether a Close may be sent by a server.
func legal(f rawpeer.Frame) bool {
	if len(f.Payload) == 1 || len(f.Payload) > 125 || !f.Fin || f.RSV != 0 {
		return false
	}
	code := f.CloseCode()
	switch {
	case len(f.Payload) == 0:
		return true
	case code < 1000, code == 1004, code == 1005, code == 1006, code == 1010, code > 1014 && code < 3000, code > 4999:
		return false
	}
	return utf8.ValidString(f.CloseReason())
}

// answer reports whether a frame is a Close that a server may answer with: what
// the peer may send is legal there, too.
func answer(f rawpeer.Frame) bool {
	return f.Opcode == rawpeer.OpClose && (legal(f) || f.CloseCode() == 1010)
}

// closed reports whether the server sent a Close.
func closed(o observation) bool {
	_, _, _, ok := closeIn(o.frames)
	return ok
}

func words(fs []rawpeer.Frame) []string {
	var all []string
	for _, f := range fs {
		all = append(all, f.String())
	}
	return all
}

func same(a, b []rawpeer.Frame) bool { return slices.Equal(words(a), words(b)) }

// sameBut reports whether the frames are the same up to the n-th, which is a
// legal Close in the guarded ones, and the last.
func sameBut(bare, guarded []rawpeer.Frame, n int) bool {
	return len(guarded) == n+1 && len(bare) > n && same(bare[:n], guarded[:n]) && answer(guarded[n])
}

// oneMore reports whether the guarded frames have one more, a Close that is so.
func oneMore(bare, guarded []rawpeer.Frame, is func(rawpeer.Frame) bool) bool {
	n := len(bare)
	return len(guarded) == n+1 && same(bare, guarded[:n]) && answer(guarded[n]) && is(guarded[n])
}

// sooner reports whether TCP ended in an earlier class of time.
func sooner(a, b string) bool {
	order := []string{atOnce, atIdle, notSoon}
	return slices.Index(order, a) < slices.Index(order, b)
}

// peerSendsClose reports whether a Close of the peer's is in the script.
func (sc script) peerSendsClose() bool {
	return slices.ContainsFunc(sc.steps, func(s step) bool { return s.who == peer && strings.Contains(s.arg, "close") })
}

// peerSends reports whether the peer sends this, in words.
func (sc script) peerSends(frame string) bool {
	return slices.ContainsFunc(sc.steps, func(s step) bool { return s.who == peer && strings.Contains(s.arg, frame) })
}

// closedBothWays reports whether the peer closes, too.
func (sc script) closedBothWays() bool { return sc.answers && sc.pace != never || sc.peerSendsClose() }

// triedBefore reports whether one of these steps was done before.
func (sc script) triedBefore(step int, o observation, verbs ...string) bool {
	for i := range step {
		if slices.Contains(verbs, sc.steps[i].verb) && o.calls[i] != "" && o.calls[i] != blocked {
			return true
		}
	}
	return false
}

// says reports whether one of these steps was done and said this.
func (sc script) says(o observation, said string, verbs ...string) bool {
	for i, s := range sc.steps {
		if slices.Contains(verbs, s.verb) && o.calls[i] == said {
			return true
		}
	}
	return false
}

// reads reports whether a step of the handler's reads.
func (sc script) reads(i int) bool {
	return slices.Contains(readings, sc.steps[i].verb)
}

// peerMalformsClose reports whether the peer sends a Close that breaks a rule of
// framing.
func (sc script) peerMalformsClose() bool {
	return slices.ContainsFunc(sc.steps, func(s step) bool {
		return s.who == peer && malformed.MatchString(s.arg)
	})
}

var malformed = regexp.MustCompile(`close (not final|rsv|[^,]*not masked|\d+ "x{124})|close 126 bytes`)

// peerBreaksRules reports whether the peer sends what no client may.
func (sc script) peerBreaksRules() bool {
	upgraded := false
	return slices.ContainsFunc(sc.steps, func(s step) bool {
		upgraded = upgraded || s.verb == upgrades
		if s.verb == requests && upgraded {
			return true // it is taken for frames, as a body is
		}
		if s.who != peer || s.verb != sends && s.verb != requests {
			return false
		}
		for _, sign := range []string{"rsv", "not masked", "opcode", "claims", "close not final", "ping 126 bytes", "close 126 bytes", "continuation", "with a body"} {
			if strings.Contains(s.arg, sign) {
				return true
			}
		}
		return false
	})
}
