package doctor

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var echo = &Kind{
	Name:  "echo",
	Means: "Who closes with such a code or reason is told that it broke the protocol, or nothing: browsers then show another code than the page closed with, or 1006, and an unclean end.",
	Cure:  "Put closeguard around the handler: it answers where the library doesn't, and 1014 under gorilla. A library that answers 1002 to 1012 or 1013 doesn't know them: update it, or don't let clients close with them.",
}

// legalCodes are those of the registry that a client may send, and the corners of the free ranges.
var legalCodes = []closeguard.Code{
	1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3003, 3008, 3999, 4000, 4999,
}

// echoes close with each legal code, and with each sort of reason.
func echoes() []*Probe {
	var probes []*Probe
	for _, code := range legalCodes {
		probes = append(probes, closes(fmt.Sprint(int(code)), fmt.Sprintf("closes with %v", code), code, client.Close(code, "doctor")))
	}
	return append(probes,
		closes("no-code", "closes without a code", closeguard.NoStatusReceived, client.Frame{Opcode: client.OpClose}),
		closes("no-reason", "closes with 1000 and no reason", 1000, client.Close(1000, "")),
		closes("long-reason", "closes with a reason of 123 bytes", 1000, client.Close(1000, strings.Repeat("x", 123))),
		closes("reason-utf8", "closes with a reason in several scripts", 1000, client.Close(1000, "Ende, 終, конец, 🔚")),
		closes("reason-controls", "closes with a reason of control characters", 1000, client.Close(1000, "\x00\t\r\n\x1b\x7f")),
	)
}

// closes is a probe that sends a legal Close, whose code is to come back.
func closes(name, does string, code closeguard.Code, f client.Frame) *Probe {
	wants := fmt.Sprintf("Close %d, then FIN", int(code))
	if code == closeguard.NoStatusReceived {
		wants = "Close without a code, then FIN"
	}
	return &Probe{
		Name: name, Kind: echo, RFC: "5.5.1", Does: does, Wants: wants,
		Sends: size(f), Courtesy: client.Closer, Do: sends(f), Judge: repeats(code),
	}
}
