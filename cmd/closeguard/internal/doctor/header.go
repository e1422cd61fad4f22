package doctor

import "github.com/closeguard/ws/cmd/closeguard/internal/client"

var header = &Kind{
	Name:  "header",
	Means: "A stream that is broken goes on, or breaks off without a word: messages may be read wrongly, and the author of a faulty client sees 1006 and no hint at the fault.",
	Cure:  "Put closeguard around the handler: it tells the peer 1002 where the library breaks off without a Close. What a library takes though it shouldn't is the library's to mend: report it there.",
}

// brokenHeaders break the rules of framing outside of a Close.
func brokenHeaders() []*Probe {
	text := client.Text("doctor")
	part := client.Frame{Opcode: client.OpText, Payload: []byte("doc"), More: true}
	broken := func(rfc, name, does string, frames ...client.Frame) *Probe {
		return brokenly(header, rfc, name, does, frames...)
	}
	return []*Probe{
		broken("5.1", "unmasked", "sends a text that is not masked", client.Frame{Opcode: client.OpText, Payload: text.Payload, Bare: true}),
		broken("5.2", "rsv1", "sends a text with RSV1 set", client.Frame{Opcode: client.OpText, Payload: text.Payload, RSV: 4}),
		broken("5.2", "rsv3", "sends a text with RSV3 set", client.Frame{Opcode: client.OpText, Payload: text.Payload, RSV: 1}),
		broken("5.2", "opcode-3", "sends a frame with the reserved opcode 3", reserved),
		broken("5.2", "opcode-11", "sends a frame with the reserved opcode 11", client.Frame{Opcode: 11}),
		broken("5.2", "length", "sends a header whose length has its top bit set", client.Frame{Opcode: client.OpBinary, Claim: 1 << 63}),
		broken("5.4", "continuation", "continues a message that was never begun", client.Frame{Opcode: client.OpContinuation, Payload: text.Payload}),
		broken("5.4", "interleaved", "begins a message inside another one", part, text),
		broken("5.5", "fragmented-ping", "sends a Ping in fragments", client.Frame{Opcode: client.OpPing, Payload: text.Payload, More: true}),
		broken("5.5", "long-ping", "sends a Ping of 126 bytes", client.Frame{Opcode: client.OpPing, Payload: make([]byte, 126)}),
	}
}

// reserved is a frame that every endpoint has to refuse.
var reserved = client.Frame{Opcode: 3}
