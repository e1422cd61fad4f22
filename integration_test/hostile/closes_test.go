package hostile

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// peersCodes are from this on, the servers' below: one of ours from here on
// repeats the peer's.
const peersCodes = 4000

// drawClose makes a Close, legal or not.
func drawClose(random *rand.Rand) act {
	code := peersCodes + random.IntN(900)
	reason := fmt.Sprintf("reason %d", random.IntN(1000))
	close := rawpeer.Close(code, reason)
	words := fmt.Sprintf("a Close %d %q", code, reason)
	pieces := 1
	var behind []rawpeer.Frame
	switch random.IntN(24) {
	case 0:
		close, words = rawpeer.ClosePayload(nil), "an empty Close"
	case 1:
		close, words = rawpeer.ClosePayload([]byte{3}), "a Close of one byte"
	case 2:
		code := []int{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535}[random.IntN(10)]
		close, words = rawpeer.Close(code, reason), fmt.Sprintf("a Close with the illegal code %d", code)
	case 3:
		code := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}[random.IntN(12)]
		close, words = rawpeer.Close(code, ""), fmt.Sprintf("a Close %d", code)
	case 4:
		close, words = rawpeer.Close(code, reason+"\xff\xfe"), fmt.Sprintf("a Close %d whose reason isn't UTF-8", code)
	case 5:
		n := []int{122, 123, 124, 125}[random.IntN(4)]
		close, words = rawpeer.Close(code, strings.Repeat("x", n)), fmt.Sprintf("a Close %d with a reason of %d bytes", code, n)
	case 6:
		close.Bare, words = true, words+" that isn't masked"
	case 7:
		close.RSV, words = 1<<random.IntN(3), words+" with a reserved bit"
	case 8:
		close.Fin, words = false, words+" that isn't final"
		if random.IntN(2) == 0 {
			behind, words = append(behind, rawpeer.Frame{Fin: true, Payload: []byte("more")}), words+", and the rest of it"
		}
	case 9:
		close.Claim, words = 1<<40, words+" that claims a tebibyte"
	case 10:
		close.Payload, words = append(close.Payload, make([]byte, 70000)...), words+" and 70000 bytes"
	case 11, 12:
		pieces = 2 + random.IntN(6)
		words += fmt.Sprintf(" in %d pieces", pieces)
	case 13:
		pieces, words = 1000, words+" byte by byte"
	case 14:
		behind, words = append(behind, rawpeer.Text("late"), rawpeer.Ping("late")), words+" and data behind it"
	case 15:
		behind, words = append(behind, rawpeer.Binary(make([]byte, 200<<10))), words+" and 200 KiB behind it"
	case 16:
		behind, words = append(behind, rawpeer.Close(code+1, "again")), words+" and another one"
	case 17:
		behind, words = append(behind, rawpeer.Frame{Fin: true, Opcode: 3, RSV: 7}), words+" and a broken frame"
	}
	return act{"sends " + words, func(p *peer) bool { return p.close(close, pieces, p.encode(behind...)) }}
}

// drawAnswer makes what a peer does when it has read the server's Close.
func drawAnswer(random *rand.Rand) act {
	echo := func(p *peer) bool { return p.close(rawpeer.ClosePayload(p.in.Close.Payload), 1, nil) }
	close := drawClose(random)
	switch random.IntN(12) {
	case 0:
		return act{"answers a Close with nothing", nil}
	case 1, 2:
		return act{"to a Close " + close.words, close.do}
	case 3:
		return act{"answers a Close byte by byte", func(p *peer) bool {
			return p.close(rawpeer.ClosePayload(p.in.Close.Payload), 1000, nil)
		}}
	case 4:
		return act{"answers a Close and resets", func(p *peer) bool { echo(p); return reset(p) }}
	case 5:
		return act{"answers a Close with a reset", reset}
	case 6:
		return act{"answers a Close with FIN", fin}
	case 7:
		return act{"answers a Close behind a message", func(p *peer) bool {
			return p.write(p.encode(rawpeer.Binary(make([]byte, 100<<10)))) && echo(p)
		}}
	case 8:
		return act{"answers a Close and then ends its side of TCP", func(p *peer) bool { return echo(p) && fin(p) }}
	default:
		return act{"answers a Close", echo}
	}
}
