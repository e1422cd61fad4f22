package hostile

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A script is all that will be done on one connection. It is drawn before
// anything is done.
type script struct {
	number int
	secure bool
	bare   bool // the server's guard gets TCP as it is, and nothing is recorded there
	way    *way
	habit  habit
	echoes int           // messages that the handler sends back before its habit
	moment time.Duration // after which something comes from outside
	defers bool          // the handler closes the connection also when it panics

	open   opening
	acts   []act
	answer act
	pongs  bool
	stays  time.Duration // for the server to end
	goes   act
}

// An act is one thing that a peer does. It reports whether it makes sense to go on.
type act struct {
	words string
	do    func(p *peer) bool
}

// An opening is how a peer asks for a WebSocket.
type opening struct {
	act
	bare bool // without TLS, whatever the server speaks
	page bool // it asks for none
}

// drawScript makes the script of a connection.
func drawScript(number int, random *rand.Rand) *script {
	s := &script{
		number: number,
		secure: random.IntN(4) == 0,
		way:    &ways[random.IntN(len(ways))],
		habit:  habits[random.IntN(len(habits))],
		moment: time.Duration(random.IntN(50)) * time.Millisecond,
		defers: random.IntN(2) == 0,
		pongs:  random.IntN(3) > 0,
		answer: drawAnswer(random),
		stays:  []time.Duration{0, 0, 0, 20, 20, 20, 200, 200, 200, 1000, 1000, 2500, 6000}[random.IntN(13)] * time.Millisecond,
	}
	s.bare = !s.secure && random.IntN(4) == 0
	if random.IntN(2) == 0 {
		s.echoes = random.IntN(3)
	}
	s.open = drawOpening(s, random)
	for range random.IntN(8) {
		s.acts = append(s.acts, drawAct(random, s.secure))
	}
	if random.IntN(2) == 0 {
		s.acts = append(s.acts, drawClose(random))
	}
	s.goes = []act{
		{"goes", func(p *peer) bool {
			p.conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			return p.conn.Close() == nil
		}},
		{"ends TCP", func(p *peer) bool { return p.tcp.Close() == nil }},
		{"goes with a reset", reset},
	}[random.IntN(3)]
	return s
}

// String is the script in words.
func (s *script) String() string {
	var b strings.Builder
	over := "TCP"
	switch {
	case s.secure:
		over = "TLS"
	case s.bare:
		over = "bare TCP"
	}
	fmt.Fprintf(&b, "%s over %s; behind %d messages the server %s; the peer %s", s.way.name, over, s.echoes, s.habit.words, s.open.words)
	for _, a := range s.acts {
		fmt.Fprintf(&b, ", %s", a.words)
	}
	fmt.Fprintf(&b, "; it %s, ", s.answer.words)
	if !s.pongs {
		b.WriteString("answers no pings, ")
	}
	fmt.Fprintf(&b, "stays for %v and %s", s.stays, s.goes.words)
	return b.String()
}

// path is what the peer asks for.
func (s *script) path() string { return fmt.Sprintf("%s/%d", s.way.path, s.number) }

// head is a proper request.
func (s *script) head() string {
	return "GET " + s.path() + " HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}

// switched waits for the answer to the request, and reports whether it is 101.
func (p *peer) switched() bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.mu.Lock()
		begun, head := p.in.Begun, len(p.in.Head)
		p.mu.Unlock()
		if begun || head > 0 {
			return begun
		}
		select {
		case <-p.heard:
		case <-p.over:
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.in.Begun
		case <-late.C:
			return false
		}
	}
}

func drawOpening(s *script, random *rand.Rand) opening {
	head := s.head()
	open := func(words, head string, then func(p *peer) bool) opening {
		return opening{act: act{words, func(p *peer) bool { return p.write([]byte(head)) && then(p) }}}
	}
	leave := func(*peer) bool { return false }
	switch random.IntN(30) {
	case 0:
		return open("opens with half a head and nothing more", head[:len(head)/2], leave)
	case 1:
		return open("sends half a head and then a reset", head[:1+random.IntN(len(head)-1)], reset)
	case 2:
		return open("sends half a head and then FIN", head[:1+random.IntN(len(head)-1)], func(p *peer) bool { fin(p); p.await(nil, 100*time.Millisecond); return false })
	case 3:
		return open("opens and resets at once", head, reset)
	case 4:
		return open("opens and ends its side at once", head, fin)
	case 5:
		return open("asks for an unknown version", strings.Replace(head, "Version: 13", "Version: 12", 1), (*peer).switched)
	case 6:
		return open("asks without a key", strings.Replace(head, "Sec-WebSocket-Key", "Sec-WebSocket-Lock", 1), (*peer).switched)
	case 7:
		o := open("asks for a page", strings.Replace(head, "Upgrade: websocket\r\n", "", 1), (*peer).switched)
		o.page = true
		return o
	case 8:
		return open("sends rubbish in place of a head", "\x16\x03\x01 rubbish\r\n\r\n", leave)
	case 9:
		early := rawpeer.Text("early").Append(nil, [4]byte{1, 2, 3, 4})
		return open("opens with a message behind the head", head+string(early), (*peer).switched)
	case 10:
		early := rawpeer.Close(peersCodes+1, "early").Append(nil, [4]byte{1, 2, 3, 4})
		return open("opens with a Close behind the head", head+string(early), (*peer).switched)
	case 11:
		return opening{act: act{"opens byte by byte", func(p *peer) bool {
			for i := range len(head) {
				if !p.write([]byte(head[i : i+1])) {
					return false
				}
			}
			return p.switched()
		}}}
	case 12:
		if s.secure {
			o := open("speaks no TLS", head, leave)
			o.bare = true
			return o
		}
	}
	return open("opens", head, (*peer).switched)
}

// fin ends the peer's side of TCP; with TLS with a goodbye.
func fin(p *peer) bool {
	if over, ok := p.conn.(*tls.Conn); ok {
		over.SetWriteDeadline(time.Now().Add(writeTime))
		over.CloseWrite()
	}
	return p.tcp.CloseWrite() == nil
}

func reset(p *peer) bool {
	p.tcp.SetLinger(0)
	p.tcp.Close()
	return false
}

// sends is an act that writes bytes.
func sends(words string, b []byte) act {
	return act{"sends " + words, func(p *peer) bool { return p.write(b) }}
}

// drawAct makes one thing that a peer does on an open connection.
func drawAct(random *rand.Rand, secure bool) act {
	mask := [4]byte{1, 2, 3, byte(random.IntN(256))}
	frames := func(words string, frames ...rawpeer.Frame) act {
		var b []byte
		for _, f := range frames {
			b = f.Append(b, mask)
		}
		return sends(words, b)
	}
	message := rawpeer.Text("how are you?")
	switch random.IntN(34) {
	case 0, 1, 2:
		return frames("a message", message)
	case 3:
		return frames("a message of 20000 bytes", rawpeer.Binary(make([]byte, 20000)))
	case 4:
		return frames("a message in fragments with a ping inside", rawpeer.Frame{Opcode: rawpeer.OpText, Payload: []byte("one")},
			rawpeer.Ping("still there?"), rawpeer.Frame{Fin: true, Payload: []byte("two")})
	case 5:
		return frames("three pings", rawpeer.Ping("1"), rawpeer.Ping("2"), rawpeer.Ping(""))
	case 6:
		return frames("a pong that nobody asked for", rawpeer.Pong("here"))
	case 7, 8:
		b := rawpeer.Binary(make([]byte, 300)).Append(nil, mask)
		n := 8 + random.IntN(len(b)-8)
		return sends("part of a frame", b[:n])
	case 9:
		b := rawpeer.Binary(make([]byte, 300)).Append(nil, mask)
		return sends("part of a frame's header", b[:1+random.IntN(7)])
	case 10:
		return frames("a fragment that is not the last", rawpeer.Frame{Opcode: rawpeer.OpText, Payload: []byte("half")})
	case 11:
		b := rawpeer.Binary(make([]byte, 200)).Append(nil, mask)
		n := 5 + random.IntN(40)
		return act{fmt.Sprintf("trickles %d bytes", n), func(p *peer) bool {
			for i := range n {
				if !p.write(b[i : i+1]) {
					return false
				}
				<-time.After(3 * time.Millisecond)
			}
			return true
		}}
	case 12, 13:
		n := 1 + random.IntN(60)
		b := rawpeer.Binary(make([]byte, 16<<10)).Append(nil, mask)
		return act{fmt.Sprintf("floods with %d messages of 16 KiB", n), func(p *peer) bool {
			for range n {
				if !p.write(b) {
					return false
				}
			}
			return true
		}}
	case 14, 15:
		return act{"reads no more", func(p *peer) bool { p.stopHearing(); return true }}
	case 16:
		return act{"reads again", func(p *peer) bool { p.hearAgain(); return true }}
	case 17, 18, 19:
		d := time.Duration(random.IntN(60)) * time.Millisecond
		return act{fmt.Sprintf("pauses for %v", d), func(p *peer) bool { p.await(nil, d); return true }}
	case 20, 21:
		return act{"waits for something", func(p *peer) bool { p.await(p.heard, 100*time.Millisecond); return true }}
	case 22, 23:
		return act{"waits for a Close", func(p *peer) bool { p.await(p.closeRead, 500*time.Millisecond); return true }}
	case 24:
		return []act{
			frames("a frame that isn't masked", rawpeer.Frame{Fin: true, Opcode: rawpeer.OpText, Payload: []byte("bare"), Bare: true}),
			frames("an opcode that there isn't", rawpeer.Frame{Fin: true, Opcode: 3 + byte(random.IntN(5)), Payload: []byte("what?")}),
			frames("a control opcode that there isn't", rawpeer.Frame{Fin: true, Opcode: 11 + byte(random.IntN(5)), Payload: []byte("what?")}),
			frames("a reserved bit", rawpeer.Frame{Fin: true, RSV: 1 << random.IntN(3), Opcode: rawpeer.OpText, Payload: []byte("what?")}),
			frames("the end of a message that has no beginning", rawpeer.Frame{Fin: true, Payload: []byte("end")}),
			frames("a message inside another one", rawpeer.Frame{Opcode: rawpeer.OpText}, message),
			frames("a length that is too long", rawpeer.Frame{Fin: true, Opcode: rawpeer.OpBinary, Claim: 1 << 63}),
			frames("a ping of 126 bytes", rawpeer.Ping(strings.Repeat("x", 126))),
		}[random.IntN(8)]
	case 25:
		b := make([]byte, 1+random.IntN(300))
		for i := range b {
			b[i] = byte(random.IntN(256))
		}
		return sends(fmt.Sprintf("%d random bytes", len(b)), b)
	case 26:
		return act{"sends a message and ends its side of TCP", func(p *peer) bool { return p.write(message.Append(nil, mask)) && fin(p) }}
	case 27:
		return act{"ends its side of TCP", fin}
	case 28:
		return act{"resets", reset}
	case 29:
		if secure {
			return act{"writes rubbish below TLS", func(p *peer) bool { _, err := p.tcp.Write([]byte("rubbish below TLS")); return err == nil }}
		}
		return frames("a message", message)
	case 30:
		return act{"ends its side of TCP inside a frame", func(p *peer) bool {
			return p.write(rawpeer.Binary(make([]byte, 300)).Append(nil, mask)[:100]) && fin(p)
		}}
	default:
		return drawClose(random)
	}
}
