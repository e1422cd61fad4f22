package doctor

import (
	"context"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var heavy = &Kind{
	Name:  "heavy",
	Means: "A client that sends much when it is refused doesn't learn why: it sees a reset and shows 1006, tries again, and is refused again.",
	Cure:  "Put closeguard around the handler: after its Close it takes what still comes, up to CloseBytes and CloseTimeout, so that the code arrives.",
}

const (
	uploaded = 20 << 20
	flooded  = 16 << 20
)

// heavies send megabytes: they are only for those who ask.
func heavies() []*Probe {
	message := client.Frame{Opcode: client.OpBinary, Payload: make([]byte, 1<<10)}
	bye := client.Close(1000, "doctor")
	return []*Probe{
		{
			Name: "refused-upload", Kind: heavy, RFC: "7.1.1", Heavy: true, Does: "sends one message of 20 MiB to its end, then closes", Wants: "a Close that says why not, 1009 mostly, then FIN, no reset",
			Sends: uploaded + 14 + size(bye), Courtesy: client.Mute, Do: uploads(bye), Judge: refusesUpload,
		},
		{
			Name: "close-in-a-flood", Kind: heavy, RFC: "7.1.1", Heavy: true, Does: "sends messages of 1 KiB, 16 MiB in all, and breaks a rule in the middle", Wants: "a Close, 1002 mostly, then FIN, no reset",
			Sends: (flooded>>10+1)*size(message) + size(reserved, bye), Courtesy: client.Mute, Do: floods(message, bye), Judge: delivers(closeguard.ProtocolError, closeguard.PolicyViolation, closeguard.MessageTooBig, closeguard.TryAgainLater),
		},
	}
}

// refusesUpload can't tell if the endpoint takes the message.
func refusesUpload(o outcome) Verdict {
	if o.closedWell() && o.Close.Code == closeguard.NormalClosure {
		return CantTell
	}
	return delivers(closeguard.MessageTooBig, closeguard.PolicyViolation, closeguard.UnsupportedData, closeguard.TryAgainLater, closeguard.InternalError)(o)
}

// uploads writes in pieces, as a client does that can't break off inside a message.
func uploads(bye client.Frame) func(context.Context, *client.Conn) error {
	return func(_ context.Context, c *client.Conn) error {
		b := client.Bytes(client.Frame{Opcode: client.OpBinary, Payload: make([]byte, uploaded)})
		for len(b) > 0 {
			n := min(len(b), 64<<10)
			if err := c.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
		}
		return c.Send(bye)
	}
}

// floods sends the broken frame in the middle.
func floods(message, bye client.Frame) func(context.Context, *client.Conn) error {
	return func(_ context.Context, c *client.Conn) error {
		const all = flooded >> 10
		for i := range all {
			if i == all/2 {
				if err := c.Send(reserved); err != nil {
					return err
				}
			}
			if err := c.Send(message); err != nil {
				return err
			}
		}
		return c.Send(bye)
	}
}
