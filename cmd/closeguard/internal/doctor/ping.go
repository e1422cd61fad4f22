package doctor

import (
	"strings"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var ping = &Kind{
	Name:  "ping",
	Means: "Clients and proxies that look with Pings whether the endpoint is there give it up, and their users see 1006 now and then.",
	Cure:  "Read all the time, in a goroutine of its own if need be: libraries answer Pings only while something reads.",
}

// pings have to be answered, with what is in them.
func pings() []*Probe {
	answered := func(name, does, payload string) *Probe {
		f, bye := client.Ping(payload), client.Close(1000, "doctor")
		return &Probe{
			Name: name, Kind: ping, RFC: "5.5.3", Does: does, Wants: "a Pong with the same payload, Close 1000, then FIN",
			Sends: size(f, bye), Courtesy: client.Closer, Do: pingThenClose([]client.Frame{f}, bye), Judge: pongs(payload, 1000),
		}
	}
	return []*Probe{
		answered("short", "sends a Ping, then closes", "doctor"),
		answered("empty", "sends a Ping without a payload, then closes", ""),
		answered("long", "sends a Ping of 125 bytes, then closes", strings.Repeat("x", 125)),
	}
}
