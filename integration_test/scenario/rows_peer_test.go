package scenario

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

var (
	hello  = text("Hello World!")
	normal = closing(1000, "")
	empty  = closeOf("")
	stars  = strings.Repeat("*", 123)
	notUTF = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"
	large  = text(strings.Repeat("BAsd7&jh23", 262144/10+1)[:262144])
)

const codeOnly = "its answer has the code and no reason"

// legal is a Close that must be accepted and answered.
func legal(name, source string, code int, reason string) row {
	said := frameText(code, reason)
	r := row{
		name: name, source: source, peer: []step{send(closing(code, reason))},
		wire:  "close " + said + "; FIN",
		event: fmt.Sprintf("peer closed %d clean, sent %s, received %s", code, said, said),
	}
	r.but = answersTo(code, reason)
	return r
}

// answersTo are the libraries that don't repeat a Close, and how they answer.
func answersTo(code int, reason string) (all []but) {
	said := frameText(code, reason)
	answer := func(when, why string, sent string) {
		all = append(all, but{
			when: when, why: why, wire: "*close " + sent + "; FIN",
			event: fmt.Sprintf("peer closed %d clean, sent %s, received %s", code, sent, said),
		})
	}
	if reason != "" {
		answer("gorilla", codeOnly, fmt.Sprint(code))
	}
	return all
}

func (r row) with(steps ...step) row {
	r.peer = steps
	return r
}

// after has the peer read this before the answer.
func (r row) reading(items string) row {
	r.wire = items + "; " + r.wire
	return r
}

// peerCloses are the legal ways in which a peer begins to close.
func peerCloses() []row {
	parts := fragments("fragment1", "fragment2")
	rows := []row{
		legal("7.1.1 after an echo", "Autobahn 7.1.1", 1000, "").with(send(hello), read, send(normal)).reading(hello.String()),
		legal("7.1.2 a second close", "Autobahn 7.1.2", 1000, "").with(send(normal, empty)),
		legal("7.1.3 a ping behind the close", "Autobahn 7.1.3", 1000, "").with(send(normal, ping(""))),
		legal("7.1.4 text behind the close", "Autobahn 7.1.4", 1000, "").with(send(normal, hello)),
		legal("7.1.5 between fragments", "Autobahn 7.1.5", 1000, "").with(send(parts[0], normal, parts[1])),
		legal("7.1.6 behind 256 KiB", "Autobahn 7.1.6", 1000, "").with(send(large, hello, normal, ping(""))).reading("text 262144 bytes; " + hello.String()),
		{
			name: "7.3.1 empty", source: "Autobahn 7.3.1", peer: []step{send(empty)},
			wire: "close empty; FIN", event: "peer closed 1005 clean, sent empty, received empty",
		},
		legal("7.3.3 without a reason", "Autobahn 7.3.3", 1000, ""),
		legal("7.3.4 with a reason", "Autobahn 7.3.4", 1000, "Hello World!"),
		legal("7.3.5 the longest reason", "Autobahn 7.3.5", 1000, stars),
	}
	number := 0
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		number++
		rows = append(rows, legal(fmt.Sprintf("7.7.%d code %d", number, code), fmt.Sprint("Autobahn 7.7.", number), code, ""))
	}
	return append(rows,
		legal("code 1012", "peers.md 6", 1012, "restart"),
		legal("code 1013", "peers.md 6", 1013, "later"),
		row{
			name: "code 1014", source: "pitfall 5", peer: []step{send(closing(1014, "upstream"))},
			wire: `close 1014 "upstream"; FIN`, event: `peer closed 1014 clean, sent 1014 "upstream", received 1014 "upstream"`,
			but: []but{{when: "gorilla", why: "it refuses 1014 with 1002, which the guard turns into 1014", wire: "close 1014; FIN", event: `peer closed 1014 clean, sent 1014, received 1014 "upstream"`}},
		},
		legal("code 3000 of IANA's", "peers.md 6", 3000, "unauthorized"),
		legal("code 3003 of IANA's", "peers.md 6", 3003, "forbidden"),
		legal("code 3008 of IANA's", "peers.md 6", 3008, "timeout"),
		legal("a NUL and a line break in the reason", "peers.md 6", 1000, "a\x00b\r\nc"),
		legal("a reason of 2-byte runes", "peers.md 6", 4000, strings.Repeat("é", 61)),
		legal("a reason of 4-byte runes", "peers.md 6", 4000, strings.Repeat("😀", 30)+"abc"),
		legal("every byte a segment", "pitfall 33", 4000, "bye").with(slowly(closing(4000, "bye"))),
		legal("behind a message every byte a segment", "pitfall 33", 4000, "").with(slowly(hello, closing(4000, ""))).reading(hello.String()),
		legal("a padded length", "gorilla map 3", 4000, "").with(send(frame{Fin: true, Opcode: rawpeer.OpClose, Payload: closing(4000, "").Payload, Padded: true})).unless(but{
			when: "gorilla", why: "a control frame's length in 16 bits is too long for it, whatever the length is",
			wire: `close 1002 "len > 125 for control"; FIN`, event: `peer closed 4000 clean, sent 1002 "len > 125 for control", received 4000`,
		}),
		legal("behind a ping", "RFC 6455 5.5.2", 4000, "").with(send(ping("there?"), closing(4000, ""))).reading(`pong "there?"`),
		legal("behind an empty message", "RFC 6455 5.6", 4000, "").with(send(text(""), closing(4000, ""))).reading(`text ""`),
		legal("100 KiB behind the close", "pitfall 36", 4000, "").with(send(closing(4000, ""), binaryOf(100<<10))),
		legal("FIN right behind the close", "gorilla map 3", 4000, "").with(send(closing(4000, "")), fin),
		legal("compressed text first", "pitfall 55", 4000, "").with(send(deflated("Hello World!"), closing(4000, ""))).reading(hello.String()).onlyWith("deflate"),
		legal("between compressed fragments", "pitfall 55", 4000, "").with(send(frame{Opcode: rawpeer.OpText, RSV: 4, Payload: deflated("Hello World!").Payload[:5]}, closing(4000, ""))).onlyWith("deflate").
			unless(but{when: "coder", why: "the race detector reports a pool of its own there", racy: true}),
	)
}

// onlyWith restricts a row to settings with these values.
func (r row) onlyWith(only string) row {
	r.only = only
	return r
}

// unless adds exceptions.
func (r row) unless(b ...but) row {
	r.but = append(r.but[:len(r.but):len(r.but)], b...)
	return r
}
