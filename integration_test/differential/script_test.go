package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// The parties of a script.
const (
	peer    = "peer"
	handler = "handler"
)

// What a peer does.
const (
	requests   = "requests"    // writes a request, or more than one
	sends      = "sends"       // writes frames, whole or in pieces
	halfCloses = "half-closes" // sends FIN and reads on
	closes     = "closes TCP"
	resets     = "resets TCP"
	waits      = "waits longer than CloseIdle"
	trickles   = "sends a pong now and then, for longer than CloseIdle"
)

// What a handler does. Before the upgrade it speaks HTTP.
const (
	upgrades      = "upgrades"
	answers       = "answers with status" // WriteHeader
	informs       = "sends 103"
	writesBody    = "writes to the ResponseWriter"
	flushes       = "flushes with http.Flusher"
	flushesError  = "flushes with a ResponseController"
	setsDeadlines = "sets deadlines with a ResponseController, far away"
	fullDuplex    = "enables full duplex"
	readsBody     = "reads the body"
	hijacksAgain  = "calls Hijack again"
	returns       = "returns"
	detaches      = "returns and goes on in a goroutine"
	panics        = "panics"
	aborts        = "panics with http.ErrAbortHandler"

	reads         = "reads a message"
	readsDeadline = "reads with a deadline that has passed soon"
	readsContext  = "reads with the request's context" // where the library takes one
	cancels       = "reads with a context that is cancelled soon"
	writes        = "writes a message"
	writesAside   = "begins in a goroutine to write a message"
	closesWith    = "closes with"
	writesClose   = "writes a Close as a message" // not as a control frame: without gorilla's deadline
	closesBare    = "closes without a frame"
	awaitsContext = "waits for the end of the request's context"
)

// A step is one act of the peer's or the handler's.
type step struct {
	who  string
	verb string
	arg  string // in words: which frames, which request; or a reason
	code int    // a status or a close code
	size int    // of a message or a body
	wire [][]byte
}

func (s step) String() string {
	text := s.who + " " + s.verb
	if s.code != 0 {
		text += fmt.Sprint(" ", s.code)
	}
	if s.size != 0 {
		text += fmt.Sprint(" of ", s.size, " bytes")
	}
	if s.arg != "" {
		text += " " + s.arg
	}
	if len(s.wire) > 1 {
		text += fmt.Sprint(", in ", len(s.wire), " pieces")
	}
	return text
}

// A script is all that is decided before it is played.
type script struct {
	seed    uint64
	library string
	above   string // a wrapper above the guard
	below   string // and one between the guard and the handler
	defers  bool   // the handler defers Close
	limits  bool   // the handler sets a read limit of 1,000 bytes
	answers bool   // the peer answers a Close, as all clients do
	pace    string // how the peer reads
	narrow  bool   // TCP's buffers are small
	steps   []step
}

// How a peer reads.
const (
	eager = ""
	slow  = "slowly"
	never = "not before everything else is over"
)

// readLimit is what a handler sets that limits messages.
const readLimit = 1000

func (sc script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, wrapper above: %s, below: %s", sc.library, orNone(sc.above), orNone(sc.below))
	for _, habit := range []struct {
		is   bool
		text string
	}{
		{sc.defers, "the handler defers Close"},
		{sc.limits, fmt.Sprintf("the handler sets a read limit of %d", readLimit)},
		{sc.answers, "the peer answers a Close"},
		{sc.pace != eager, "the peer reads " + sc.pace},
		{sc.narrow, "TCP's buffers are small"},
	} {
		if habit.is {
			b.WriteString("; " + habit.text)
		}
	}
	b.WriteString("\n")
	for i, s := range sc.steps {
		fmt.Fprintf(&b, "%4d  %v\n", i, s)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// does reports whether a party does one of these.
func (sc script) does(who string, verbs ...string) bool {
	return slices.ContainsFunc(sc.steps, func(s step) bool { return s.who == who && slices.Contains(verbs, s.verb) })
}

// by makes a step of the handler's.
func by(verb string) step { return step{who: handler, verb: verb} }

// peerBy makes a step of the peer's that writes nothing.
func peerBy(verb string) step { return step{who: peer, verb: verb} }

// request is a step in which the peer writes bytes that ask for something.
func request(words string, head string) step {
	return step{who: peer, verb: requests, arg: words, wire: [][]byte{[]byte(head)}}
}

// frames is a step in which the peer writes frames in one piece.
func frames(fs ...rawpeer.Frame) step {
	var words []string
	var wire []byte
	for _, f := range fs {
		w := f.String()
		if f.Bare {
			w += " not masked"
		}
		if f.Claim != 0 {
			w += fmt.Sprintf(" that claims %d bytes", f.Claim)
		}
		words = append(words, w)
		wire = f.Append(wire, [4]byte{1, 2, 3, 4})
	}
	return step{who: peer, verb: sends, arg: strings.Join(words, ", "), wire: [][]byte{wire}}
}

// upTo is the step cut off after n bytes.
func (s step) upTo(n int) step {
	all := slices.Concat(s.wire...)
	n = min(n, len(all)-1)
	s.arg = fmt.Sprintf("the first %d bytes of %s", n, s.arg)
	s.wire = [][]byte{all[:n]}
	return s
}

// inPieces is the step in writes of at most n bytes.
func (s step) inPieces(n int) step {
	s.wire = slices.Collect(slices.Chunk(slices.Concat(s.wire...), n))
	return s
}

// goodUpgrade is a request that every library takes.
const goodUpgrade = "GET /ws HTTP/1.1\r\nHost: differential.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// replies reports whether the peer answers a Close.
func (sc script) replies() bool { return sc.answers && sc.pace != never }

// blocks says of each of the handler's steps whether it waits for the peer: it
// is done only after a later step. A guess that is wrong costs time alone.
func (sc script) blocks() []bool {
	blocked := make([]bool, len(sc.steps))
	g := guess{sc: sc}
	for i, s := range sc.steps {
		if s.who == handler {
			g.queue = append(g.queue, s)
		} else {
			g.sees(s)
		}
		g.goOn()
		blocked[i] = len(g.queue) > 0 || s.verb == writesAside
	}
	return blocked
}

// A guess is where the handler is, as far as that can be said beforehand.
type guess struct {
	sc        script
	queue     []step // of the handler's, the first of which is not done
	requested bool
	readable  int  // messages
	over      bool // reading fails
}

// sees takes note of what the peer does.
func (g *guess) sees(s step) {
	switch s.verb {
	case requests, sends:
		g.requested = g.requested || s.verb == requests
		if !strings.Contains(s.arg, "first") {
			g.readable += strings.Count(s.arg, "text") + strings.Count(s.arg, "binary")
			g.over = g.over || ending(s)
		}
	case halfCloses, closes, resets:
		g.over = true
	}
}

// goOn does what the handler can do.
func (g *guess) goOn() {
	for len(g.queue) > 0 && g.requested {
		s := g.queue[0]
		closing := slices.Contains(endings, s.verb)
		switch {
		case s.verb == reads, s.verb == readsContext, s.verb == cancels && g.sc.library != coderLibrary:
			if g.readable == 0 && !g.over {
				return
			}
			g.readable = max(0, g.readable-1)
		case s.verb == readsDeadline, s.verb == cancels:
			g.readable = max(0, g.readable-1)
		case closing && g.sc.library == coderLibrary && s.verb != closesBare:
			if !g.sc.replies() && !g.over {
				return
			}
			g.over = true
		case closing:
			g.over = g.over || g.sc.replies() || s.verb == closesBare
		case s.verb == writesAside:
		case s.verb == writes && s.size > 32<<10 && g.sc.pace != eager, s.verb == awaitsContext:
			return
		case s.verb == returns, s.verb == panics, s.verb == aborts:
			g.requested = false
		}
		g.queue = g.queue[1:]
	}
}

// ending reports whether what the peer sends ends a connection.
func ending(s step) bool {
	for _, sign := range []string{"close", "rsv", "opcode", "not masked", "claims", "ping 126 bytes"} {
		if strings.Contains(s.arg, sign) {
			return true
		}
	}
	return false
}
