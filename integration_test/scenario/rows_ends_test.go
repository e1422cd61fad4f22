package scenario

import "github.com/closeguard/ws/integration_test/rawpeer"

// died is a peer that ends TCP without a Close.
func died(name, source string, steps ...step) row {
	return row{name: name, source: source, peer: steps, wire: "FIN", event: "dropped 1006"}
}

var (
	masked = but{when: "coder server", why: "it inflates the bytes of a cut frame still masked; these happen to make a message", wire: "*FIN"}
	trusts = but{when: "coder client plain", why: "only the adapter can say on a client that the library takes an end for the message's", wire: "*FIN"}
)

func ends() []row {
	parts := fragments("half", "other half")
	compressed := deflated("Hello World! Hello World! Hello, hello, hello World!")
	return []row{
		died("FIN on an idle connection", "pitfall 2", fin),
		died("FIN below TLS", "pitfall 2", finBelow).onlyWith("wss"),
		died("FIN inside a TLS record", "gorilla map 2", cutRecord).onlyWith("wss"),
		died("RST on an idle connection", "gorilla map 3", rst).ends("-"),
		died("vanishing on an idle connection", "gorilla map 3", vanish).ends("-"),
		died("FIN behind a message", "pitfall 2", send(hello), read, fin).reading(hello.String()),
		died("FIN between fragments", "coder map 2", send(parts[0]), fin).unless(trusts),
		died("FIN between fragments, behind a ping", "coder map 2", send(parts[0], ping("")), read, fin).reading(`pong ""`).unless(trusts),
		died("FIN behind an empty fragment", "coder map 2", send(frame{Opcode: rawpeer.OpText}), fin).unless(trusts),
		died("FIN inside the last fragment", "coder map 2", cut(5, parts...), fin),
		died("FIN in the first two bytes of a header", "coder map 2", upTo(1, hello), fin),
		died("FIN inside a length of 16 bits", "coder map 2", upTo(3, binaryOf(1000)), fin),
		died("FIN inside a length of 64 bits", "coder map 2", upTo(7, binaryOf(70000)), fin),
		died("FIN behind the header", "coder map 2", cut(12, hello), fin).unless(trusts),
		died("FIN inside the payload", "coder map 2", cut(7, hello), fin),
		died("FIN one byte before the end", "coder map 2", cut(1, hello), fin),
		died("FIN behind 512 bytes of payload", "coder map 2", cut(488, binaryOf(1000)), fin).unless(trusts),
		died("FIN inside a close", "gorilla map 3", cut(2, closing(1000, "bye")), fin),
		died("FIN inside a compressed frame", "pitfall 1", cut(9, compressed), fin).onlyWith("deflate").unless(masked, trusts),
		died("FIN between compressed fragments", "pitfall 1", send(frame{Opcode: rawpeer.OpText, RSV: 4, Payload: compressed.Payload}), fin).onlyWith("deflate").unless(trusts),
		died("RST inside the payload", "gorilla map 3", cut(7, hello), rst).ends("-"),
		died("TLS ends inside a message", "pitfall 1", cut(7, hello), finBelow).onlyWith("wss"),
		{
			name: "we close because of the peer's FIN", source: "pitfall 4", app: app{fails: closes(1011, "gone")}, peer: []step{fin},
			wire: `close 1011 "gone"; FIN`, event: `dropped 1006, sent 1011 "gone"`,
			but: []but{{when: "coder adapter", why: "its Close is the guard's CloseWith, which says nothing more where TCP has ended", wire: "FIN", event: `dropped 1006, intended 1011 "gone"`}},
		},
		{
			name: "we close before we have read the peer's FIN", source: "pitfall 4", app: app{reads: one, does: []deed{all(closes(1011, "gone"), drops)}},
			peer: []step{send(hello), fin, act}, wire: `close 1011 "gone"; FIN`, event: `local closed 1011, sent 1011 "gone"`,
		},
		{
			name: "a close and RST", source: "gorilla map 3", peer: []step{send(closing(4000, "bye")), rst}, wire: "-", event: "* *",
		},
	}
}

// ends replaces the whole of what the peer reads.
func (r row) ends(wire string) row {
	r.wire = wire
	return r
}
