package scenario

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// illegalClose is a well-framed Close whose payload breaks a rule. It is an end
// by the peer all the same.
func illegalClose(name, source, payload string, code int, received, broken string) row {
	r := row{
		name: name, source: source, peer: []step{send(closeOf(payload))},
		wire:  fmt.Sprintf("close %d*; FIN", code),
		event: fmt.Sprintf("peer closed %d, sent %d*, received %s, %s", code, code, received, broken),
	}
	return r
}

func illegalCode(name, source string, code int, reason string) row {
	received := closeText(closing(code, reason))
	if code == 1005 && reason == "" {
		received = "empty"
	}
	return illegalClose(name, source, string(closing(code, reason).Payload), 1002, received, fmt.Sprintf("close code: %d", code))
}

// notText is a Close whose reason is not UTF-8, seen from byte at on.
func notText(name, source, reason string, at int) row {
	repaired := strings.ToValidUTF8(reason, "\uFFFD")
	r := illegalClose(name, source, string(closing(1000, reason).Payload), 1007, frameText(1000, repaired), fmt.Sprintf("reason UTF-8: %d", at))
	return r.unless(but{
		when: "gorilla", why: "its answer to a reason that is not UTF-8 is a legal 1002",
		wire:  `close 1002 "invalid utf8 payload in close frame"; FIN`,
		event: fmt.Sprintf(`peer closed 1007, sent 1002 "invalid utf8 payload in close frame", received %s, reason UTF-8: %d`, frameText(1000, repaired), at),
	})
}

func illegalCloses() []row {
	rows := []row{
		illegalClose("7.3.2 one byte", "Autobahn 7.3.2", "a", 1002, "empty", "close payload length: 1"),
		illegalClose("one byte that begins a code", "coder map 2", "\x03", 1002, "empty", "close payload length: 1"),
		notText("7.5.1 not UTF-8", "Autobahn 7.5.1", notUTF, 11),
		notText("an overlong NUL", "gorilla map 3", "\xc0\x80", 0),
		notText("half a rune at the end", "peers.md 6", "caf\xc3", 3),
		notText("a surrogate", "peers.md 6", "\xed\xa0\x80", 0),
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		rows = append(rows, illegalCode(fmt.Sprintf("7.9.%d code %d", i+1, code), fmt.Sprint("Autobahn 7.9.", i+1), code, ""))
	}
	return append(rows,
		illegalCode("7.13.1 code 5000", "Autobahn 7.13.1", 5000, ""),
		illegalCode("7.13.2 code 65535", "Autobahn 7.13.2", 65535, ""),
		illegalCode("code 1", "gorilla map 3", 1, ""),
		illegalCode("code 1015", "peers.md 6", 1015, ""),
		illegalCode("code 1015 with a reason", "real-peers.md 2", 1015, "handshake"),
		illegalCode("code 1006 with a reason", "pitfall 32", 1006, "lost"),
		illegalCode("an illegal code behind a message", "RFC 6455 7.4.2", 2999, "").with(send(hello), read, send(closing(2999, ""))).reading(hello.String()),
		illegalCode("an illegal code between fragments", "RFC 6455 7.4.2", 1005, "").with(send(fragments("a", "b")[0], closing(1005, ""))),
		illegalCode("an illegal code and more behind it", "pitfall 36", 1006, "").with(send(closing(1006, ""), hello, normal)),
	)
}

// violation is a frame whose header breaks a rule. The connection is failed
// with 1002, whose words are the library's, and the peer answers.
func violation(name, source, broken string, steps ...step) row {
	return row{
		name: name, source: source, peer: append(steps, readClose, send(closing(1002, ""))),
		wire: "close 1002*; FIN", event: "local closed 1002 clean, sent 1002*, received 1002, " + broken,
	}
}

const lost = "local closed 1002, sent 1002*, "

// unanswered is a violation behind which nothing can be read.
func (r row) unanswered(broken string) row {
	r.peer = append(r.peer[:1:1], readClose)
	r.limits = short
	r.event = lost + broken
	return r
}

func violations() []row {
	part := fragments("a", "b")
	withRSV := func(f frame, rsv byte) frame { f.RSV = rsv; return f }
	open := func(f frame) frame { f.Fin = false; return f }
	wrong := func(f frame) frame { f.Bare = true; return f }
	return []row{
		violation("7.3.6 a reason of 124 bytes", "Autobahn 7.3.6", "control frame length: 126", send(closing(1000, stars+"*"))),
		violation("a close of 70000 bytes", "gorilla map 3", "control frame length: 70000", send(closeOf(strings.Repeat("x", 70000)))),
		violation("a ping of 126 bytes", "gorilla map 3", "control frame length: 126", send(ping(strings.Repeat("x", 126)))),
		violation("a close that is not final", "gorilla map 3", "fragmented control frame: 8", send(open(normal))),
		violation("a ping that is not final", "coder map 2", "fragmented control frame: 9", send(open(ping("")))),
		violation("wrong mask on text", "gorilla map 3", "mask: *", send(wrong(hello))).unless(but{when: "coder client", why: "it hands a masked text of a server's over as it is, and goes on", not: true}),
		violation("wrong mask on a close", "real-peers.md 2", "mask: *", send(wrong(closing(1001, "")))).unless(but{
			when: "coder client", why: "it takes a masked Close of a server's for legal", wire: "close 1001; FIN",
			event: "local closed 1001 clean, sent 1001, received 1002, mask: 1",
		}),
		violation("RSV1 on text", "gorilla map 3", "reserved bits: 4", send(withRSV(hello, 4))).onlyWith("bare"),
		violation("RSV2 on text", "gorilla map 3", "reserved bits: 2", send(withRSV(hello, 2))),
		violation("RSV3 on text", "gorilla map 3", "reserved bits: 1", send(withRSV(hello, 1))),
		violation("RSV1 on a continuation", "RFC 7692 6.1", "reserved bits: 4", send(part[0], withRSV(part[1], 4))).unless(but{when: "gorilla deflate", why: "with deflate it takes RSV1 on a continuation for legal, and goes on", not: true}),
		violation("RSV2 on a close", "gorilla map 3", "reserved bits: 2", send(withRSV(normal, 2))),
		violation("RSV1 on a close", "gorilla map 3", "reserved bits: 4", send(withRSV(normal, 4))).unless(but{
			when: "gorilla deflate", why: "with deflate it takes RSV1 on a Close for legal", wire: "close 1000; FIN",
			event: "local closed 1000 clean, sent 1000, received 1002, reserved bits: 4",
		}),
		violation("opcode 3", "gorilla map 3", "opcode: 3", send(frame{Fin: true, Opcode: 3})),
		violation("opcode 11", "gorilla map 3", "opcode: 11", send(frame{Fin: true, Opcode: 11})),
		violation("a continuation of nothing", "gorilla map 3", "continuation: 0", send(frame{Fin: true, Payload: []byte("b")})),
		violation("text inside a message", "gorilla map 3", "interleaved message: 1", send(part[0], hello)),
		violation("a negative length", "gorilla map 1", "payload length: -*", send(frame{Fin: true, Opcode: rawpeer.OpText, Claim: 1<<63 + 5})).unanswered("payload length: -9223372036854775803").unless(noFrame("FIN").giving("dropped 1006, payload length: -9223372036854775803")),
		violation("a close of a tebibyte", "pitfall 16", "control frame length: 1099511627776", send(frame{Fin: true, Opcode: rawpeer.OpClose, Claim: 1 << 40, Payload: make([]byte, 200)})).unanswered("control frame length: 1099511627776"),
		violation("a broken frame and a close in one segment", "pitfall 5", "").with(send(withRSV(hello, 2), normal)).giving("peer closed 1000 clean, sent 1002*, received 1000*"),
		violation("a broken frame behind a message", "pitfall 5", "opcode: 3", send(hello), read, send(frame{Fin: true, Opcode: 3})).reading(hello.String()),
		{
			name: "text that is not UTF-8", source: "gorilla map 3", peer: []step{send(text("caf\xe9")), read, send(normal)},
			wire: `text "caf\xe9"; close 1000; FIN`, event: "peer closed 1000 clean, sent 1000, received 1000",
		},
		{
			name: "a message over the limit", source: "gorilla map 3", app: app{limit: 100}, peer: []step{send(binaryOf(101)), readClose, send(closing(1009, ""))},
			wire: "close 1009*; FIN", event: "local closed 1009 clean, sent 1009*, received 1009",
		},
		{
			name: "a fragment over the limit", source: "gorilla map 3", app: app{limit: 100},
			peer: []step{send(fragments(strings.Repeat("a", 60), strings.Repeat("b", 60))...), readClose, send(closing(1009, ""))},
			wire: "close 1009*; FIN", event: "local closed 1009 clean, sent 1009*, received 1009",
		},
		{
			name: "2 MiB over the limit", source: "gorilla map 3", app: app{limit: 100}, peer: []step{send(binaryOf(2 << 20)), readClose, send(closing(1009, ""))},
			wire: "close 1009*; FIN", event: "local closed 1009 clean, sent 1009*, received 1009",
		},
		{
			name: "corrupt deflate data", source: "gorilla map 2", only: "deflate",
			peer: []step{send(frame{Fin: true, RSV: 4, Opcode: rawpeer.OpText, Payload: []byte("\xff\xff\xff\xff")}), readClose, send(closing(1001, ""))},
			wire: "close *; FIN", event: "local closed * clean, sent *, received 1001", but: []but{noFrame("FIN")},
		},
	}
}
