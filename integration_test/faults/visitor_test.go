package faults

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// leaving is how a peer goes when it has had enough.
type leaving int

const (
	closing   leaving = iota // with a Close, and waits for the answer
	vanishing                // with a Close, and waits for nothing
	finishing                // with FIN
	resetting                // with a reset
	staying                  // not at all: it waits for the server
	waysToLeave
)

// A visitor is a peer of the crowd. All that it will do is drawn before it does
// anything.
type visitor struct {
	path, query string
	sends       []rawpeer.Frame
	pauses      []time.Duration // before the first of them
	leaves      leaving
	code        int
	polite      bool // answers a Close and Pings

	peer *rawpeer.Peer

	mu     sync.Mutex // of what it writes
	closed bool       // it has sent its Close
	read   *rawpeer.Frame
}

// draw makes a visitor.
func draw(random *rand.Rand, path string) *visitor {
	order := orders[random.IntN(len(orders))]
	v := &visitor{
		path: path, query: "?do=" + order.name + "&after=" + string(rune('0'+random.IntN(5))),
		leaves: leaving(random.IntN(int(waysToLeave))), code: peersCodes + random.IntN(900), polite: random.IntN(8) > 0,
	}
	for range random.IntN(12) {
		v.pauses = append(v.pauses, time.Duration(random.IntN(25))*time.Millisecond)
		v.sends = append(v.sends, something(random)...)
	}
	return v
}

// something is a message, in fragments or not, or a Ping.
func something(random *rand.Rand) []rawpeer.Frame {
	switch random.IntN(6) {
	case 0:
		return []rawpeer.Frame{rawpeer.Ping("are you there?")}
	case 1:
		return []rawpeer.Frame{rawpeer.Binary(make([]byte, random.IntN(30_000)))}
	case 2:
		return rawpeer.Fragments(rawpeer.Text(""), "one part", "another part", "the end")
	default:
		return []rawpeer.Frame{rawpeer.Text("how are you?")}
	}
}

// visit does it all, and says when it has come or given up. Errors are those of
// the line, which is what it is about.
func (v *visitor) visit(l line, come func()) {
	p, err := l.connect(v.path+v.query, rawpeer.Wait(4*time.Second))
	come()
	if p.TCP != nil {
		defer p.TCP.Close()
	}
	if err != nil {
		return
	}
	v.mu.Lock()
	v.peer = p
	v.mu.Unlock()
	var reading sync.WaitGroup
	reading.Go(v.listen)
	v.talk()
	v.leave()
	reading.Wait()
}

func (v *visitor) talk() {
	for i, f := range v.sends {
		if i < len(v.pauses) {
			<-time.After(v.pauses[i])
		}
		if v.write(f) != nil {
			return
		}
	}
}

func (v *visitor) leave() {
	switch v.leaves {
	case closing:
		v.write(rawpeer.Close(v.code, "enough"))
	case vanishing:
		v.write(rawpeer.Close(v.code, "enough"))
		v.peer.TCP.Close()
	case finishing:
		v.peer.CloseWrite()
	case resetting:
		v.peer.Reset()
	default:
	}
}

// listen reads to the end.
func (v *visitor) listen() {
	for {
		f, ok := v.peer.ReadFrame()
		v.peer.Frames = nil
		switch {
		case !ok:
			return
		case f.Opcode == rawpeer.OpClose:
			if v.read == nil {
				v.read = &f
			}
			if v.polite {
				v.write(rawpeer.ClosePayload(f.Payload))
			}
		case f.Opcode == rawpeer.OpPing && v.polite:
			v.write(rawpeer.Frame{Fin: true, Opcode: rawpeer.OpPong, Payload: f.Payload})
		}
	}
}

// address is where the peer is, nil before it has come.
func (v *visitor) address() net.Addr {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.peer == nil {
		return nil
	}
	return v.peer.TCP.LocalAddr()
}

// write writes a frame unless a Close has left.
func (v *visitor) write(f rawpeer.Frame) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = f.Opcode == rawpeer.OpClose
	return v.peer.Write(f)
}
