package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	coder "github.com/coder/websocket"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A closeCase is a way in which a peer closes. Numbered ones are the cases of
// section 7 of the Autobahn test suite, held to the RFC where the suite is lax.
type closeCase struct {
	name   string
	first  []rawpeer.Frame // are echoed before anything else is sent
	send   []rawpeer.Frame
	echoes []rawpeer.Frame // come before the answer

	gorilla, coder rawpeer.Frame // the answer

	answer *rawpeer.Frame // of the peer, to an answer that is none
	want   ending         // sent is the answer
}

var (
	stars  = strings.Repeat("*", 123)
	notUTF = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"
	large  = strings.Repeat("BAsd7&jh23", 262144/10+1)[:262144]
	hello  = rawpeer.Text("Hello World!")
	empty  = rawpeer.ClosePayload(nil)
)

func closeCases() []closeCase {
	fragments := rawpeer.Fragments(rawpeer.Text(""), "fragment1", "fragment2")
	normal := rawpeer.Close(1000, "")
	cases := []closeCase{
		legal("7.1.1 after an echo", 1000, "").after(hello),
		legal("7.1.2 a second close", 1000, "").then(empty),
		legal("7.1.3 a ping behind it", 1000, "").then(rawpeer.Ping("")),
		legal("7.1.4 text behind it", 1000, "").then(hello),
		legal("7.1.5 between fragments", 1000, "").sending(fragments[0], normal, fragments[1]),
		legal("7.1.6 behind 256 KiB", 1000, "").sending(rawpeer.Text(large), hello, normal, rawpeer.Ping("")).echoing(rawpeer.Text(large), hello),
		{
			name: "7.3.1 empty", send: []rawpeer.Frame{empty}, gorilla: empty, coder: empty,
			want: ending{kind: "peer closed", code: 1005, clean: true, received: closing(1005, "")},
		},
		{
			name: "7.3.2 one byte", send: []rawpeer.Frame{rawpeer.ClosePayload([]byte("a"))},
			gorilla: rawpeer.Close(1002, ""), // the library's is empty
			coder:   rawpeer.Close(1002, `received invalid close payload: close payload "a" too small, cannot even contain the 2 byte status code`),
			want: ending{
				kind: "peer closed", code: 1002, received: closing(1005, ""),
				illegal: illegal("close payload length", 1),
			},
		},
		legal("7.3.3 without a reason", 1000, ""),
		legal("7.3.4 with a reason", 1000, "Hello World!"),
		legal("7.3.5 the longest reason", 1000, stars),
		{
			name: "7.3.6 a reason of 124 bytes", send: []rawpeer.Frame{rawpeer.Close(1000, stars+"*")},
			gorilla: rawpeer.Close(1002, "len > 125 for control"),
			coder:   rawpeer.Close(1002, "received control frame payload with invalid length: 126"),
			answer:  &rawpeer.Frame{Fin: true, Opcode: rawpeer.OpClose, Payload: rawpeer.Close(1002, "").Payload},
			want: ending{
				kind: "local closed", code: 1002, clean: true, received: closing(1002, ""),
				illegal: illegal("control frame length", 126),
			},
		},
		{
			name: "7.5.1 a reason that is not UTF-8", send: []rawpeer.Frame{rawpeer.Close(1000, notUTF)},
			gorilla: rawpeer.Close(1002, "invalid utf8 payload in close frame"),
			coder:   rawpeer.Close(1007, ""), // the library's is an echo
			want: ending{
				kind: "peer closed", code: 1007, received: closing(1000, strings.ToValidUTF8(notUTF, "\uFFFD")),
				illegal: illegal("reason UTF-8", 11),
			},
		},
	}
	number := 0
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		number++
		cases = append(cases, legal(fmt.Sprintf("7.7.%d code %d", number, code), code, ""))
	}
	number = 0
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		number++
		cases = append(cases, illegalCode(fmt.Sprintf("7.9.%d code %d", number, code), code))
	}
	bad := legal("code 1014", 1014, "upstream")
	bad.gorilla = rawpeer.Close(1014, "") // the library refuses it with 1002
	return append(cases,
		illegalCode("7.13.1 code 5000", 5000),
		illegalCode("7.13.2 code 65535", 65535),
		legal("code 1012", 1012, "restart"),
		legal("code 1013", 1013, "later"),
		bad,
		illegalCode("code 1015", 1015),
		legal("code 3000", 3000, "unauthorized"),
		legal("code 3003", 3003, "forbidden"),
		legal("code 3008", 3008, "timeout"),
		legal("a reason with a NUL and a line break", 1000, "a\x00b\r\nc"),
	)
}

// legal is a Close that both libraries accept, gorilla without repeating the reason.
func legal(name string, code int, reason string) closeCase {
	return closeCase{
		name: name, send: []rawpeer.Frame{rawpeer.Close(code, reason)},
		gorilla: rawpeer.Close(code, ""), coder: rawpeer.Close(code, reason),
		want: ending{kind: "peer closed", code: closeguard.Code(code), clean: true, received: closing(closeguard.Code(code), reason)},
	}
}

func illegalCode(name string, code int) closeCase {
	return closeCase{
		name: name, send: []rawpeer.Frame{rawpeer.Close(code, "")},
		gorilla: rawpeer.Close(1002, fmt.Sprint("bad close code ", code)),
		coder:   rawpeer.Close(1002, fmt.Sprint("received invalid close payload: invalid status code ", coder.StatusCode(code))),
		want: ending{
			kind: "peer closed", code: 1002, received: closing(closeguard.Code(code), ""),
			illegal: illegal("close code", int64(code)),
		},
	}
}

func (c closeCase) after(f rawpeer.Frame) closeCase {
	c.first = []rawpeer.Frame{f}
	return c
}

func (c closeCase) then(f rawpeer.Frame) closeCase {
	c.send = append(c.send, f)
	return c
}

func (c closeCase) sending(frames ...rawpeer.Frame) closeCase {
	c.send = frames
	return c
}

func (c closeCase) echoing(frames ...rawpeer.Frame) closeCase {
	c.echoes = frames
	return c
}

// Every Close of a peer's gets its answer, the server ends TCP first and
// without a reset, and the event tells what crossed the wire.
func TestEveryCodeAPeerMayClose(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			s := serve(t, scheme, closeguard.Options{}, echo)
			each(t, func(t *testing.T, e endpoint) {
				for _, c := range closeCases() {
					t.Run(c.name, func(t *testing.T) { c.run(t, s, e) })
				}
			})
		})
	}
}

func (c closeCase) run(t *testing.T, s *site, e endpoint) {
	p := s.dial(t, e)
	answer := c.gorilla
	if e.Library == "coder" {
		answer = c.coder
	}
	for _, f := range c.first {
		p.send(t, f)
		p.expect(t, f)
	}
	p.send(t, c.send...)
	for _, f := range c.echoes {
		p.expect(t, f)
	}
	if c.answer != nil {
		p.expect(t, answer)
		p.send(t, *c.answer)
		p.expectEnd(t, rawpeer.FIN)
	} else {
		p.expectEnd(t, rawpeer.FIN, answer)
	}
	p.TCP.Close()

	ev := p.event(t)
	sent, _ := closeguard.ParseCloseFrame(answer.Payload)
	c.want.sent = sent.String()
	if got := endingOf(ev); got != c.want {
		t.Errorf("event %v\ngot  %+v\nwant %+v", ev, got, c.want)
	}
	if c.want.illegal != "" {
		expectPayload(t, ev, c.send[0].Payload)
	}
}

// expectPayload wants the first 125 bytes of an illegal Close in the event.
func expectPayload(t *testing.T, ev closeguard.CloseEvent, payload []byte) {
	t.Helper()
	var fe *closeguard.FrameError
	if !errors.As(ev, &fe) || string(fe.Payload) != string(payload[:min(len(payload), 125)]) {
		t.Errorf("the event's %v does not keep the payload %q", fe, payload)
	}
}
