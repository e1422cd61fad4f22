package scenario

import "github.com/closeguard/ws/closeguard"

// stalled is a peer that doesn't finish the closing handshake.
func stalled(name, source string, limit error, steps ...step) row {
	return row{
		name: name, source: source, limits: short, app: does(startsToFinish("bye")), peer: steps,
		wire: `close 4001 "bye"; FIN`, event: `local closed 4001, sent 4001 "bye"`, cause: limit,
	}
}

func rude() []row {
	idle, timeout, bytes := closeguard.ErrCloseIdle, closeguard.ErrCloseTimeout, closeguard.ErrCloseBytes
	return []row{
		stalled("never answers", "real-peers.md 7", idle, act),
		stalled("stalls inside a frame", "coder map 3", idle, cut(990, binaryOf(1000)), act),
		stalled("stalls inside a header", "coder map 3", idle, upTo(1, hello), act),
		stalled("stalls between fragments", "coder map 3", idle, send(fragments("a", "b")[0]), act),
		stalled("stalls inside its close", "coder map 2", idle, act, readClose, cut(1, closing(4001, ""))),
		stalled("sends a message and stalls", "coder map 3", idle, act, readClose, send(hello)),
		stalled("sends a little for ever", "pitfall 21", timeout, act, trickle).limitedTo(patient),
		stalled("sends for ever", "pitfall 22", bytes, act, readClose, flood).ends("*").limitedTo(greedy),
		stalled("a library's close is never answered", "coder map 3", idle, act).doing(closes(4001, "bye")),
		stalled("a bare close is never answered", "design rule 7", idle, act).doing(drops).ends("close 1001; FIN").giving("local closed 1001, sent 1001").unless(noFrame("FIN").because(closeguard.ErrAborted)),
		stalled("a shutdown is never answered", "design rule 7", idle, act).doing(shutsDown).ends(`close 1001 "server shutting down"; FIN`).giving(`local closed 1001, sent 1001 "server shutting down"`),
		stalled("a violation is never answered", "coder map 1", idle, send(frame{Fin: true, Opcode: 3}), readClose).doing().ends("close 1002*; FIN").giving("local closed 1002, sent 1002*, opcode: 3"),
		{
			name: "a server that doesn't end TCP", source: "real-peers.md 2", only: "client", app: does(closes(4001, "")), peer: []step{stay, act, readClose, send(closing(4001, ""))},
			wire: "close 4001; FIN", event: "local closed 4001 clean, sent 4001, received 4001",
		},
		{
			name: "a server that closes and doesn't end TCP", source: "real-peers.md 2", only: "client", peer: []step{stay, send(closing(4001, ""))},
			wire: "close 4001; FIN", event: "peer closed 4001 clean, sent 4001, received 4001",
		},
		{
			name: "a close while a writer is blocked", source: "pitfall 7", limits: short, app: app{reads: never, does: []deed{pours(huge), startsToFinish("bye")}},
			only: "bare", peer: []step{act, readSome, act, deaf}, wire: "*", event: "dropped 1006, intended 4001 \"bye\"",
			but: []but{fragmented("*", `* 4001 "bye"`)},
		},
		{
			name: "a bare close while a writer is blocked", source: "pitfall 8", limits: short, app: app{reads: discards, does: []deed{pours(huge), drops}},
			only: "bare", peer: []step{act, readSome, act, deaf}, wire: "*", event: "dropped 1006*",
			but: []but{fragmented("*", "*")},
		},
		{
			name: "abort while a writer is blocked", source: "pitfall 24", limits: short, app: app{reads: discards, does: []deed{pours(huge), aborts}},
			only: "bare", peer: []step{act, readSome, act, deaf}, wire: "*", event: "dropped 1006", cause: closeguard.ErrAborted,
		},
		{
			name: "a blocked writer's peer reads on", source: "pitfall 35", app: app{reads: never, does: []deed{pours(huge), startsToFinish("bye")}},
			only: "bare", peer: []step{act, readSome, act, readClose, send(closing(4001, ""))}, wire: `binary 12582912 bytes; *close 4001 "bye"; FIN`, event: `local closed 4001 clean, sent 4001 "bye", received 4001`,
			but: []but{fragmented(`*close 4001 "bye"; a part; FIN`, "")},
		},
		{
			name: "the peer closes while our writer is blocked", source: "gorilla map 3", app: app{reads: discards, does: []deed{pours(huge)}},
			only: "bare", peer: []step{act, read, send(closing(4000, "")), readEnd}, wire: "*FIN*", event: "peer closed 4000*received 4000", // whether the answer finds a place is the kernel's affair
		},
	}
}

func (r row) limitedTo(l limits) row {
	r.limits = l
	return r
}

// doing replaces what the application does.
func (r row) doing(deeds ...deed) row {
	r.app = does(deeds...)
	return r
}

// giving replaces the event.
func (r row) giving(event string) row {
	r.event = event
	return r
}

// fragmented is gorilla as a client.
func fragmented(wire, event string) but {
	return but{when: "gorilla client", why: "it cuts its messages into fragments of 4 KiB, and a Close may find a place between them", wire: wire, event: event}
}

func (b but) giving(event string) but {
	b.event = event
	return b
}

func (b but) because(cause error) but {
	b.cause = cause
	return b
}
