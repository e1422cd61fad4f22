package doctor

import (
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var brokenClose = &Kind{
	Name:  "broken-close",
	Means: "A Close that can't be read is taken for one that can, or isn't answered: the program is told a code or a reason that nobody sent, or the client shows 1006.",
	Cure:  "Put closeguard around the handler: it answers such a Close with 1002 and tells what was wrong with it in the event.",
}

// brokenCloses are Closes whose payload or header breaks a rule.
func brokenCloses() []*Probe {
	payload := client.Close(1000, "doctor").Payload
	control := func(name, does string, f client.Frame) *Probe { return brokenly(brokenClose, "5.5", name, does, f) }
	return []*Probe{
		brokenly(brokenClose, "5.5.1", "one-byte", "closes with half a code", client.Frame{Opcode: client.OpClose, Payload: []byte{3}}),
		control("long", "closes with a reason of 124 bytes, one too many", client.Close(1000, strings.Repeat("x", 124))),
		control("fragmented", "closes in two fragments", client.Frame{Opcode: client.OpClose, Payload: payload, More: true}),
		control("huge", "closes with a frame that claims 2^40 bytes", client.Frame{Opcode: client.OpClose, Payload: payload, Claim: 1 << 40}),
		brokenly(brokenClose, "8.1", "bad-utf8", "closes with a reason that is not UTF-8", client.Close(1000, "doctor \xff")),
		brokenly(brokenClose, "8.1", "cut-utf8", "closes with a reason that ends inside a character", client.Close(1000, "doctor \xe7\xb5")),
		brokenly(brokenClose, "5.1", "unmasked", "closes with a frame that is not masked", client.Frame{Opcode: client.OpClose, Payload: payload, Bare: true}),
		brokenly(brokenClose, "5.2", "reserved-bits", "closes with RSV2 set", client.Frame{Opcode: client.OpClose, Payload: payload, RSV: 2}),
	}
}

// brokenly is a probe that sends frames that break a rule. What the client's fault is may
// be said in three ways: as a fault of the protocol, of the content, or of the size.
func brokenly(kind *Kind, rfc, name, does string, frames ...client.Frame) *Probe {
	codes := []closeguard.Code{closeguard.ProtocolError}
	wants := "Close 1002, then FIN"
	switch {
	case rfc == "8.1":
		codes, wants = append(codes, closeguard.InvalidFramePayloadData), "Close 1007 or 1002, then FIN"
	case frames[len(frames)-1].Claim > 0:
		codes, wants = append(codes, closeguard.MessageTooBig), "Close 1002 or 1009, then FIN"
	}
	return &Probe{
		Name: name, Kind: kind, RFC: rfc, Does: does, Wants: wants,
		Sends: size(frames...), Courtesy: client.Polite, Do: sends(frames...), Judge: refuses(codes...),
	}
}
