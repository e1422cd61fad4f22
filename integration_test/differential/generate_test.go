package differential

import (
	"math/rand/v2"
	"strings"

	gorilla "github.com/gorilla/websocket"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// generate makes the script of a seed.
func generate(seed uint64) script {
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	sc := script{
		seed:    seed,
		library: pick(g, gorillaLibrary, gorillaLibrary, coderLibrary, coderLibrary, ownLibrary, xnetLibrary),
		defers:  g.one(3),
		limits:  g.one(6),
		answers: !g.one(3),
	}
	if g.one(3) {
		sc.above = pick(g, muxWrapper, delegatingWrapper, hijackingWrapper, hijackingWrapper, hidingWrapper, timeoutWrapper, maxBytesWrapper, keepingWrapper, noURLWrapper, failingWrapper)
	}
	if g.one(3) {
		sc.below = pick(g, muxWrapper, delegatingWrapper, hijackingWrapper, hijackingWrapper, hidingWrapper, timeoutWrapper, maxBytesWrapper, noURLWrapper, failingWrapper)
	}
	if sc.above == keepingWrapper && sc.below == timeoutWrapper {
		sc.below = "" // TimeoutHandler returns before the handler, whose writer is gone then
	}
	if g.one(12) {
		sc.narrow, sc.pace = true, pick(g, slow, never)
		if g.one(3) {
			sc.pace = slow
			sc.steps = append(g.upgrade(), g.download()...)
			return sc
		}
	}
	if g.one(5) {
		sc.steps = g.overHTTP()
	} else {
		sc.steps = append(g.upgrade(), g.open(sc)...)
	}
	return sc
}

type generator struct{ *rand.Rand }

// one is true once in n times.
func (g generator) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g generator, all ...T) T { return all[g.IntN(len(all))] }

// upgrade is a good request, and what a handler may do before it upgrades.
func (g generator) upgrade() []step {
	var steps []step
	if g.one(8) {
		steps = append(steps, request("another page", "GET /other HTTP/1.1\r\nHost: differential.test\r\n\r\n"))
	}
	ask := request("a WebSocket", goodUpgrade)
	if g.one(10) {
		early := g.frames()
		ask.arg += " and sends at once " + early.arg
		ask.wire[0] = append(ask.wire[0], early.wire[0]...)
	}
	if g.one(12) {
		ask = ask.inPieces(1 + g.IntN(100))
	}
	steps = append(steps, ask)
	if g.one(6) {
		steps = append(steps, pick(g, by(informs), by(setsDeadlines), by(fullDuplex), by(readsBody)))
	}
	return append(steps, by(upgrades))
}

// download is a message that takes its time, while something else happens.
func (g generator) download() []step {
	steps := []step{{who: handler, verb: writesAside, size: pick(g, 200_000, 600_000)}}
	steps = append(steps, pick(g, g.frames(), frames(g.close())))
	for range g.IntN(3) {
		steps = append(steps, by(pick(g, reads, reads, closesBare)))
	}
	if g.one(2) {
		steps = append(steps, by(pick(g, returns, detaches, panics)))
	}
	return steps
}

// overHTTP is a request that may be refused, by the library or the handler, and
// what follows on the same connection.
func (g generator) overHTTP() []step {
	var steps []step
	for range 1 + g.IntN(2) {
		steps = append(steps, g.request())
		for range g.IntN(4) {
			steps = append(steps, g.httpStep())
			if g.one(12) {
				steps = append(steps, peerBy(pick(g, halfCloses, resets, closes)))
			}
		}
		if g.one(2) {
			steps = append(steps, by(upgrades))
			if g.one(3) {
				steps = append(steps, g.httpStep())
			}
		}
		steps = append(steps, by(pick(g, returns, returns, returns, returns, panics, aborts)))
	}
	if g.one(2) {
		steps = append(steps, request("another page", "GET /other HTTP/1.1\r\nHost: differential.test\r\nConnection: close\r\n\r\n"))
	}
	return steps
}

func (g generator) request() step {
	replaced := func(old, new string) string { return strings.Replace(goodUpgrade, old, new, 1) }
	switch g.IntN(13) {
	case 0:
		return request("a WebSocket without a key", replaced("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""))
	case 1:
		return request("a WebSocket of version 12", replaced("Version: 13", "Version: 12"))
	case 2:
		return request("a WebSocket from elsewhere", replaced("\r\n\r\n", "\r\nOrigin: http://elsewhere.test\r\n\r\n"))
	case 3:
		return request("a WebSocket with POST", replaced("GET /ws HTTP/1.1", "POST /ws HTTP/1.1")+"")
	case 4:
		return request("a WebSocket with a body", replaced("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n")+"hello")
	case 5:
		return request("a WebSocket with a body to come", replaced("\r\n\r\n", "\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n"))
	case 6:
		return request("a WebSocket over HTTP/1.0", replaced("HTTP/1.1", "HTTP/1.0"))
	case 7:
		return request("h2c", replaced("Upgrade: websocket", "Upgrade: h2c"))
	case 8:
		return request("a page", "GET /ws HTTP/1.1\r\nHost: differential.test\r\n\r\n")
	case 9:
		return request("nonsense", "GET /ws HTTP/1.1\r\nHost: differential.test\r\nno colon\r\n\r\n")
	case 10:
		return request("a WebSocket with a short key", replaced("dGhlIHNhbXBsZSBub25jZQ==", "short"))
	default:
		return request("a WebSocket", goodUpgrade)
	}
}

func (g generator) httpStep() step {
	s := by(pick(g, answers, writesBody, writesBody, flushes, flushesError, setsDeadlines, fullDuplex, readsBody, informs))
	switch s.verb {
	case answers:
		s.code = pick(g, 200, 204, 304, 400, 403, 426, 500, 503)
	case writesBody:
		s.size = pick(g, 1, 100, 3000, 10_000)
	}
	return s
}

// open is what happens on an open connection, and how it ends.
func (g generator) open(sc script) []step {
	var steps []step
	defer func() { sc.tidy(steps) }()
	for range g.IntN(6) {
		if g.one(2) {
			steps = append(steps, g.peerStep(sc)...)
		} else {
			steps = append(steps, g.handlerStep(sc))
		}
	}
	if g.one(20) {
		steps = append(steps, peerBy(pick(g, waits, trickles)))
	}
	if !g.one(5) {
		steps = append(steps, g.peerEnd(sc)...)
		for range g.IntN(4) {
			steps = append(steps, g.handlerStep(sc))
		}
	}
	if !g.one(4) {
		steps = append(steps, by(pick(g, returns, returns, returns, panics, aborts)))
	}
	if g.one(4) {
		steps = append(steps, g.peerEnd(sc)...)
	}
	return steps
}

// tidy replaces what no program may do, or nobody can tell the outcome of.
func (sc script) tidy(steps []step) {
	detached := false
	for i := range steps {
		s := &steps[i]
		switch s.verb {
		case detaches:
			detached = true
		case readsContext:
			// What ends first with a context that has ended, is coder's own race.
			if detached && sc.library == coderLibrary {
				s.verb = reads
			}
		case answers, writesBody, flushes, flushesError, hijacksAgain, setsDeadlines:
			// A ResponseWriter isn't used any more when its handler has returned.
			// On a hijacked connection net/http allows it, but the guard's writer
			// has a data race then.
			if detached {
				*s = by(reads)
			}
		case closes, resets:
			// How much a slow peer has read by then, nobody knows.
			if sc.pace != eager {
				s.verb = halfCloses
			}
		}
	}
}

func (g generator) handlerStep(sc script) step {
	s := by(pick(g, reads, reads, reads, reads, reads, writes, writes, closesWith, closesWith, writesClose, closesBare,
		readsDeadline, readsContext, cancels, detaches, answers, writesBody, flushesError, flushes, hijacksAgain, setsDeadlines, awaitsContext))
	if g.one(2) && (s.verb == flushes || s.verb == flushesError || s.verb == awaitsContext) {
		s = by(reads)
	}
	switch s.verb {
	case writes:
		s.code = pick(g, gorilla.TextMessage, gorilla.BinaryMessage)
		s.size = pick(g, 1, 100, 126, 5000, 70_000)
		if sc.narrow {
			s.size = pick(g, 1, 200_000, 600_000)
		}
	case closesWith, writesClose:
		s.code = pick(g, 1000, 1000, 1000, 1001, 1008, 1011, 4000, 1005, 1006, 1015, 0, 999, 2000, 5000)
		s.arg = pick(g, "", "", "bye", "bye", strings.Repeat("r", 123), strings.Repeat("r", 124), "\xff")
	case answers:
		s.code = pick(g, 200, 400, 500)
	case writesBody:
		s.size = 10
	}
	return s
}

// frames is one or more frames, most of them legal.
func (g generator) frames() step {
	fragments := rawpeer.Fragments(rawpeer.Text(""), "frag", "ment")
	switch g.IntN(14) {
	case 0, 1, 2:
		return frames(rawpeer.Text("hello"))
	case 3:
		return frames(rawpeer.Text(strings.Repeat("x", 126)))
	case 4:
		return frames(rawpeer.Binary(make([]byte, pick(g, 0, 1, 900, 1001, 5000))))
	case 5:
		return frames(fragments...)
	case 6:
		return frames(fragments[0], rawpeer.Ping("inside"), fragments[1])
	case 7:
		return frames(rawpeer.Ping(pick(g, "", "there?", strings.Repeat("p", 125))))
	case 8:
		return frames(rawpeer.Pong("unasked"))
	case 9:
		return frames(rawpeer.Text("one"), rawpeer.Text("two"), rawpeer.Text("three"))
	case 10:
		return frames(rawpeer.Text("last"), g.close())
	case 11:
		return frames(g.close(), rawpeer.Text("late"))
	case 12:
		return frames(g.broken())
	default:
		return frames(g.close())
	}
}

// close is a Close, most often a legal one.
func (g generator) close() rawpeer.Frame {
	switch g.IntN(12) {
	case 0:
		return rawpeer.ClosePayload(nil)
	case 1:
		return rawpeer.ClosePayload([]byte{3})
	case 2:
		return rawpeer.Close(1000, "\xff")
	case 3:
		return rawpeer.Close(pick(g, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535), "bye")
	case 4:
		return rawpeer.Close(pick(g, 1010, 1012, 1013, 1014), "")
	case 5:
		f := rawpeer.Close(1000, "")
		switch g.IntN(4) {
		case 0:
			f.Fin = false
		case 1:
			f.Bare = true
		case 2:
			f.RSV = 4
		case 3:
			f = rawpeer.Close(1000, strings.Repeat("x", 124))
		}
		return f
	default:
		return rawpeer.Close(pick(g, 1000, 1001, 1008, 3000, 4000, 4999), pick(g, "", "bye", strings.Repeat("x", 123)))
	}
}

// broken is a frame against the rules.
func (g generator) broken() rawpeer.Frame {
	switch g.IntN(7) {
	case 0:
		return rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Bare: true, Payload: []byte("x")}
	case 1:
		return rawpeer.Frame{Fin: true, RSV: 2, Opcode: rawpeer.OpText}
	case 2:
		return rawpeer.Frame{Fin: true, Opcode: 3}
	case 3:
		return rawpeer.Frame{Fin: true, Opcode: rawpeer.OpContinuation}
	case 4:
		return rawpeer.Ping(strings.Repeat("x", 126))
	case 5:
		return rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Claim: 1<<63 + 5}
	default:
		return rawpeer.Text("\xff\xfe")
	}
}

func (g generator) peerStep(sc script) []step {
	s := g.frames()
	if strings.Contains(s.arg, "close") || strings.Contains(s.arg, "opcode") {
		s = g.frames() // what ends a connection is for the end, mostly
	}
	return []step{g.cut(s)}
}

// cut cuts a step into pieces now and then.
func (g generator) cut(s step) step {
	if g.one(6) && len(s.wire[0]) < 200 {
		return s.inPieces(1 + g.IntN(7))
	}
	return s
}

// peerEnd is how the peer ends its part.
func (g generator) peerEnd(sc script) []step {
	switch g.IntN(10) {
	case 0, 1, 2, 3:
		steps := []step{g.cut(frames(g.close()))}
		if g.one(3) {
			steps = append(steps, peerBy(pick(g, halfCloses, closes, resets)))
		}
		return steps
	case 4:
		return []step{frames(g.broken())}
	case 5:
		s := g.frames()
		return []step{s.upTo(1 + g.IntN(12)), peerBy(pick(g, halfCloses, resets, closes))}
	case 6:
		return []step{peerBy(closes)}
	case 7:
		return []step{peerBy(resets)}
	default:
		return []step{peerBy(halfCloses)}
	}
}
