package closeguard

import (
	"crypto/rand"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// outbound is the direction from us to the peer. Whoever has its lock needs no mu
// for its scanner.
type outbound struct {
	sched.IOMutex
	scan wire.Scanner
}

// opens takes note of when the connection opened. The direction's lock keeps that,
// because nobody asks when something left last.
func (out *outbound) opens(at instant) { out.Touch(at) }

// opened is when the connection opened, 0 before it has.
func (out *outbound) opened() instant { return out.LastActive() }

// passable returns how much of p may leave as it is: all of it, or up to the next
// boundary where a Close begins or, if there is one, ours is due; and whether there
// is data in it. It leaves the scanner there, ahead of the wire: nobody else looks
// at it until the Write is over.
func (out *outbound) passable(p []byte, ours bool) (n int, data bool) {
	s := &out.scan
	if !ours {
		if n = s.Data(p); n > 0 {
			data = true
			if n == len(p) {
				return n, data
			}
		}
	}
	for {
		if s.Between() && n < len(p) && (wire.Opcode(p[n]&0xf) == wire.Close || n > 0 && ours) {
			return n, data
		}
		took, token := s.Next(p[n:])
		n += took
		if token == wire.End || token == wire.More && s.InPayload() {
			data = data || !s.Opcode().Control()
		}
		if token == wire.More {
			return n, data
		}
	}
}

// advance follows bytes that have left.
func advance(s *wire.Scanner, p []byte) {
	for {
		n, token := s.Next(p)
		if p = p[n:]; token == wire.More {
			return
		}
	}
}

// cut says what is left of the frame that the library was in when it closed: of
// rest, which hasn't left, and of what the library has not handed over yet, as it
// writes frames in pieces: coder/websocket writes 4 KiB and the rest,
// gorilla/websocket header and payload. The scanner behind it is returned.
func (out *outbound) cut(rest []byte) (closing.FrameCut, wire.Scanner) {
	s := out.scan
	n := restOfFrame(&s, rest)
	owed := s.Left()
	if owed == 0 && !s.Between() {
		owed = 1 // the rest of a header, at least
	}
	return closing.FrameCut{Rest: rest[:n], Owed: owed}, s
}

// restOfFrame takes from the start of p what belongs to the frame that s is in, and
// returns how many bytes.
func restOfFrame(s *wire.Scanner, p []byte) (n int) {
	for token := wire.Start; token == wire.Start; {
		took := 0
		took, token = s.Next(p[n:])
		n += took
	}
	return n
}

// swallow takes what may be swallowed of p behind our Close, and returns how many
// bytes; refused says that something follows that may not. Pongs and Closes are
// swallowed: the library answers on its own, and its reader would stumble over an
// error. Data and pings fail. (Rule 3)
func (out *outbound) swallow(p []byte) (n int, refused bool) {
	for {
		took, token := out.scan.Next(p[n:])
		n += took
		switch token {
		case wire.More:
			return n, false
		case wire.Start:
			if op := out.scan.Opcode(); op != wire.Close && op != wire.Pong {
				// The next Write begins with a frame again.
				out.scan = wire.Scanner{Masked: out.scan.Masked, Claimed: out.scan.Claimed}
				return max(n-took, 0), true
			}
		case wire.End:
		}
	}
}

// frame makes a whole control frame of ours. A client's mask is fresh and nobody
// can foresee it (RFC 6455 section 5.3).
func (out *outbound) frame(op wire.Opcode, payload []byte) []byte {
	if !out.scan.Masked {
		return wire.AppendControl(nil, op, payload, nil)
	}
	var mask [4]byte
	rand.Read(mask[:]) // never fails
	return wire.AppendControl(nil, op, payload, &mask)
}
