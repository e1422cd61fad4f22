package scenario

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/closeguard"
)

// weClose is a Close of the application's that the peer repeats.
func weClose(name, source string, code int, reason string) row {
	said := frameText(code, reason)
	answer := closing(code, reason)
	if code == 1005 {
		said, answer = "empty", empty
	}
	return row{
		name: name, source: source, app: does(closes(code, reason)), peer: []step{act, readClose, send(answer)},
		wire:  "close " + said + "; FIN",
		event: fmt.Sprintf("local closed %d clean, sent %s, received %s", code, said, said),
	}
}

// weCloseIllegally is a Close that must not be sent.
func weCloseIllegally(name, source string, code int, reason, fitted string) row {
	sent, _, _ := strings.Cut(fitted, " ")
	if sent == "empty" {
		sent = "1005"
	}
	intended := frameText(code, strings.ToValidUTF8(reason, "\uFFFD"))
	if code == 1005 && reason == "" {
		intended = "empty"
	}
	return row{
		name: name, source: source, app: does(closes(code, reason)), peer: []step{act, readClose, send(closing(1000, ""))},
		wire:  "close " + fitted + "; FIN",
		event: fmt.Sprintf("local closed %s clean, sent %s, received 1000, intended %s", sent, fitted, intended),
		but: []but{
			{when: "adapter", why: "an adapter refuses it, and the connection goes on", not: true},
			{
				when: "coder", why: "the library refuses it and closes TCP: a bare close",
				wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000", cause: closeguard.ErrBareClose,
			},
		},
	}
}

// refused is an illegal Close through an adapter: the connection goes on.
func refused(name string, code int, reason string) row {
	return row{
		name: name, source: "design adapters", only: "adapter", app: does(closes(code, reason)), peer: []step{act, send(hello), read, send(normal)},
		wire: hello.String() + "; close 1000; FIN", event: "peer closed 1000 clean, sent 1000, received 1000",
	}
}

// answered is our 4001 and what the peer makes of it.
func answered(name, source, event string, steps ...step) row {
	return row{
		name: name, source: source, app: does(closes(4001, "bye")), peer: append([]step{act, readClose}, steps...),
		wire: `close 4001 "bye"; FIN`, event: "local closed 4001" + event,
	}
}

func localCloses() []row {
	var rows []row
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		rows = append(rows, weClose(fmt.Sprint("we close with ", code), "peers.md 9.1", code, "bye"))
	}
	rows = append(rows,
		weClose("we close with nothing", "RFC 6455 7.1.5", 1005, ""),
		weClose("we close with the longest reason", "RFC 6455 5.5", 4000, stars),
		weClose("we close with runes up to the limit", "peers.md 6", 4000, strings.Repeat("é", 61)),
		weClose("a client closes with 1010", "RFC 6455 7.4.1", 1010, "").onlyWith("client"),

		weCloseIllegally("we close with 0", "gorilla map 4", 0, "zero", `1011 "zero"`),
		weCloseIllegally("we close with 999", "gorilla map 4", 999, "", "1011"),
		weCloseIllegally("we close with 1004", "gorilla map 4", 1004, "", "1011"),
		weCloseIllegally("we close with 1006", "pitfall 32", 1006, "lost", `1001 "lost"`),
		weCloseIllegally("we close with 1015", "pitfall 32", 1015, "", "1001"),
		weCloseIllegally("a server closes with 1010", "design rule 2", 1010, "", "1011").onlyWith("server").unless().replacing("coder", but{
			when: "coder", why: "the library refuses nothing here", wire: "close 1011; FIN", event: "local closed 1011 clean, sent 1011, received 1000, intended 1010",
		}),
		weCloseIllegally("we close with 2999", "gorilla map 4", 2999, "", "1011"),
		weCloseIllegally("we close with 5000", "gorilla map 4", 5000, "", "1011"),
		weCloseIllegally("our reason is not UTF-8", "coder map 3", 4000, "caf\xe9", "4000 \"caf\uFFFD\"").replacing("coder", but{}),
		refused("an adapter refuses 1006", 1006, ""),
		refused("an adapter refuses 5000", 5000, ""),
		refused("an adapter refuses a reason of 124 bytes", 4000, stars+"*"),
		refused("an adapter refuses a reason that is not UTF-8", 4000, "caf\xe9"),
		row{
			name: "plain code closes with a reason of 124 bytes", source: "pitfall 31", only: "plain", app: does(all(closes(4000, stars+"*"), drops)),
			peer: []step{act, readClose, send(normal)}, wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1000", cause: closeguard.ErrBareClose,
		},

		answered("the peer answers with another code", "gorilla map 4", ` clean, sent 4001 "bye", received 4002 "other"`, send(closing(4002, "other"))),
		answered("the peer answers with nothing in it", "coder map 3", ` clean, sent 4001 "bye", received empty`, send(empty)),
		answered("the peer always answers 1000", "real-peers.md 2", ` clean, sent 4001 "bye", received 1000`, send(normal)),
		answered("the peer answers with an illegal code", "gorilla map 4", `, sent 4001 "bye", received 1006, close code: 1006`, send(closing(1006, ""))),
		answered("the peer answers with one byte", "gorilla map 4", `, sent 4001 "bye", received empty, close payload length: 1`, send(closeOf("x"))),
		answered("the peer answers with a reason that is not UTF-8", "coder map 3", `, sent 4001 "bye", received 4001 "*", reason UTF-8: 3`, send(closing(4001, "caf\xe9"))),
		answered("the peer answers byte by byte", "pitfall 33", ` clean, sent 4001 "bye", received 4001`, slowly(closing(4001, ""))),
		answered("data before the answer", "coder map 3", ` clean, sent 4001 "bye", received 4001`, send(hello, hello, hello), send(closing(4001, ""))),
		answered("a megabyte before the answer", "pitfall 22", ` clean, sent 4001 "bye", received 4001`, send(binaryOf(1<<20)), send(closing(4001, ""))),
		answered("a ping before the answer", "pitfall 13", ` clean, sent 4001 "bye", received 4001`, send(ping("there?")), send(closing(4001, ""))),
		answered("a pong before the answer", "coder map 3", ` clean, sent 4001 "bye", received 4001`, send(pong("")), send(closing(4001, ""))),
		answered("a broken frame before the answer", "coder map 3", ` clean, sent 4001 "bye", received 4001, opcode: 3`, send(frame{Fin: true, Opcode: 3}), send(closing(4001, ""))),
		answered("the end of a message before the answer", "coder map 3", ` clean, sent 4001 "bye", received 4001`, send(fragments("a", "b")...), send(closing(4001, ""))),
		answered("the peer answers twice", "real-peers.md 2", ` clean, sent 4001 "bye", received 4001`, send(closing(4001, ""), closing(4002, ""))),
		answered("data behind the answer", "pitfall 36", ` clean, sent 4001 "bye", received 4001`, send(closing(4001, ""), binaryOf(100<<10))),
		answered("FIN instead of an answer", "gorilla map 4", `, sent 4001 "bye"`, fin),
		answered("FIN right behind the answer", "real-peers.md 2", ` clean, sent 4001 "bye", received 4001`, send(closing(4001, "")), fin),
		answered("FIN inside the answer", "gorilla map 3", `, sent 4001 "bye"`, cut(1, closing(4001, "x")), fin),
		answered("RST instead of an answer", "coder map 3", `, sent 4001 "bye"`, rst).ending("-"),
		answered("the peer vanishes instead of answering", "coder map 3", `, sent 4001 "bye"`, vanish).ending("-"),

		row{
			name: "a second close of ours", source: "gorilla map 4", app: does(all(closes(4001, ""), closes(4002, ""))),
			peer: []step{act, readClose, send(closing(4001, ""))}, wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "messages of ours behind our close", source: "RFC 6455 5.5.1", app: does(all(closes(4001, ""), says("late"))),
			peer: []step{act, readClose, send(closing(4001, ""))}, wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "a message of ours before our close", source: "RFC 6455 5.5.1", app: does(all(says("first"), closes(4001, ""))),
			peer: []step{act, readClose, send(closing(4001, ""))}, wire: `text "first"; close 4001; FIN`, event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "our close between our fragments", source: "gorilla map 4", app: does(all(begins(10), closes(4001, ""))), only: "bare",
			peer: []step{act, readClose, send(closing(4001, ""))}, wire: `close 4001; *FIN`, event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "our bare close between our fragments", source: "design rule 5", app: does(all(begins(10), drops)), only: "bare",
			peer: []step{act, readClose, send(closing(1001, ""))}, wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1001", but: []but{noFrame("FIN")},
		},
		row{
			name: "our bare close behind a fragment of ours", source: "design rule 5", app: does(all(begins(10_000), drops)), only: "bare",
			peer: []step{act, readClose, send(closing(1001, ""))}, wire: "close 1001; a part; FIN", event: "local closed 1001 clean, sent 1001, received 1001",
			but: []but{noFrame("a part; FIN"), {
				when: "coder client", why: "the end of the fragment is still in the library's buffer, so no Close can follow",
				wire: "a part; FIN", event: "dropped 1006, intended 1001",
			}},
		},
		row{
			name: "our close inside the peer's message", source: "peers.md 6", app: does(closes(4001, "")),
			peer: []step{send(fragments("a", "b")[0]), act, readClose, send(closing(4001, ""))}, wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "CloseWith", source: "design adapters", app: does(finishes(4001, "enough")), peer: []step{act, readClose, send(closing(4001, ""))},
			wire: `close 4001 "enough"; FIN`, event: `local closed 4001 clean, sent 4001 "enough", received 4001`,
		},
		row{
			name: "CloseWith given up at once", source: "design adapters", app: does(startsToFinish("enough")), peer: []step{act, readClose, send(closing(4001, ""))},
			wire: `close 4001 "enough"; FIN`, event: `local closed 4001 clean, sent 4001 "enough", received 4001`,
		},
		row{
			name: "CloseWith by an application that doesn't read", source: "pitfall 40", app: app{reads: never, does: []deed{finishes(4001, "")}},
			peer: []step{act, readClose, send(hello, closing(4001, ""))}, wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "a close by an application that doesn't read", source: "pitfall 40", app: app{reads: never, does: []deed{closes(4001, "")}},
			peer: []step{act, readClose, send(hello, closing(4001, ""))}, wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "CloseWith an illegal code", source: "design rule 2", app: does(finishes(1006, "")), peer: []step{act, send(hello), read, send(normal)},
			wire: hello.String() + "; close 1000; FIN", event: "peer closed 1000 clean, sent 1000, received 1000",
		},
		row{
			name: "CloseWith and a bare close", source: "design rule 5", app: does(all(startsToFinish(""), drops)), peer: []step{act, readClose, send(closing(4001, ""))},
			wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		row{
			name: "a close and a bare close at once", source: "gorilla map 7", app: does(all(closes(1008, "no"), drops)), peer: []step{act, readClose, send(closing(1008, ""))},
			wire: `close 1008 "no"; FIN`, event: `local closed 1008 clean, sent 1008 "no", received 1008`,
		},
		row{
			name: "a bare close", source: "design rule 5", app: does(drops), peer: []step{act, readClose, send(closing(1001, ""))},
			wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1001", but: []but{noFrame("FIN")},
		},
		row{
			name: "a bare close while the peer uploads", source: "design", app: app{reads: discards, does: []deed{drops}}, peer: []step{act, send(binaryOf(2 << 20)), readClose, send(closing(1001, ""))},
			wire: "close 1001; FIN", event: "local closed 1001 clean, sent 1001, received 1001", but: []but{noFrame("*")},
		},
		row{
			name: "a close while the peer uploads", source: "design", app: app{reads: discards, does: []deed{closes(1008, "no")}}, peer: []step{act, send(binaryOf(2 << 20)), readClose, send(closing(1008, ""))},
			wire: `close 1008 "no"; FIN`, event: `local closed 1008 clean, sent 1008 "no", received 1008`,
		},
		row{
			name: "abort", source: "pitfall 24", app: does(aborts), peer: []step{act}, wire: "RST", event: "dropped 1006", cause: closeguard.ErrAborted,
		},
		row{
			name: "abort after our close", source: "pitfall 24", app: app{reads: never, does: []deed{startsToFinish(""), aborts}}, peer: []step{act, readClose, act},
			wire: "close 4001; RST", event: "*, sent 4001", cause: closeguard.ErrAborted,
		},
		row{
			name: "shutdown", source: "pitfall 20", app: does(shutsDown), peer: []step{act, readClose, send(closing(1001, ""))},
			wire: `close 1001 "server shutting down"; FIN`, event: `local closed 1001 clean, sent 1001 "server shutting down", received 1001`, cause: closeguard.ErrShutdown,
		},
		row{
			name: "shutdown and a bare close", source: "design rule 5", app: does(all(shutsDown, drops)), peer: []step{act, readClose, send(closing(1001, ""))},
			wire: "close 1001*; FIN", event: "local closed 1001 clean, sent 1001*, received 1001", but: []but{noFrame("FIN")},
		},
	)
	return rows
}

// noFrame is coder's CloseNow through the adapter on a client. The Close that
// the peer then sends may still be read.
func noFrame(wire string) but {
	return but{when: "coder client adapter", why: "CloseNow through the adapter sends nothing, as its documentation says", wire: wire, event: "dropped 1006*"}
}

// replacing puts another exception in the place of that for the same settings,
// or none.
func (r row) replacing(when string, b but) row {
	var kept []but
	for _, old := range r.but {
		if old.when != when {
			kept = append(kept, old)
		} else if b.when != "" {
			kept = append(kept, b)
		}
	}
	r.but = kept
	return r
}

// ending replaces how TCP ends for the peer.
func (r row) ending(end string) row {
	at := strings.LastIndex(r.wire, "; ")
	r.wire = r.wire[:at+2] + end
	return r
}
