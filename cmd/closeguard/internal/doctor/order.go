package doctor

import (
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var order = &Kind{
	Name:  "order",
	Means: "What comes behind a Close is taken for part of the conversation: a second Close or a message of one who has left changes what is done or told, or the answer is lost.",
	Cure:  "Put closeguard around the handler: the first Close is what counts, and nothing behind it is answered.",
}

// orders send more than one thing when only the first counts.
func orders() []*Probe {
	bye, late := client.Close(4000, "first"), client.Close(4001, "second")
	text := client.Text("doctor")
	behind := func(name, does string, frames ...client.Frame) *Probe {
		return &Probe{
			Name: name, Kind: order, RFC: "5.5.1", Does: does, Wants: "Close 4000, nothing behind it, then FIN",
			Sends: size(frames...), Courtesy: client.Closer, Do: sends(frames...), Judge: repeats(4000),
		}
	}
	return []*Probe{
		behind("data-after-close", "closes, and sends a message and a Ping behind it", bye, text, client.Ping("late")),
		behind("two-closes", "closes twice at once, with 4000 and 4001", bye, late),
		behind("broken-after-close", "closes, and sends a frame that is broken behind it", bye, reserved),
		{
			Name: "both-close", Kind: order, RFC: "7.1.5", Does: "sends a broken frame and a Close at once, so that both sides close", Wants: "Close 1002 or 4000, nothing behind it, then FIN",
			Sends: size(reserved, bye), Courtesy: client.Closer, Do: sends(reserved, bye), Judge: refuses(closeguard.ProtocolError, 4000),
		},
	}
}
