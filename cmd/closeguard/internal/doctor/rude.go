package doctor

import (
	"context"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var rude = &Kind{
	Name:  "rude",
	Means: "A client that is slow, stuck or gone loses the code that it was told, or keeps a connection and what the program has for it: a few of them fill up memory and descriptors.",
	Cure:  "Put closeguard around the handler: it reads on after its Close, so that no reset destroys it, and CloseIdle and CloseTimeout end whoever doesn't come to an end. For connections that never closed there are PingInterval and IdleTimeout.",
}

// rudes make the end of a connection difficult. Most break a rule first, so that it is
// the server who has to end it.
func rudes() []*Probe {
	behind := client.Frame{Opcode: client.OpBinary, Payload: make([]byte, 4<<10)}
	bye := client.Close(1001, "doctor")
	half := client.Bytes(bye)
	half = half[:len(half)/2]
	endless := client.Bytes(client.Frame{Opcode: client.OpBinary, Claim: 1 << 20})
	return []*Probe{
		{
			Name: "deaf", Kind: rude, RFC: "7.1.1", Does: "breaks a rule, sends 16 messages of 4 KiB for a second, and reads only then", Wants: "Close 1002, then FIN, no reset",
			Sends: size(reserved) + behindCount*size(behind), Courtesy: client.Polite, Late: true, Do: goesOn(behind), Judge: delivers(closeguard.ProtocolError),
		},
		{
			Name: "mute", Kind: rude, RFC: "7.1.1", Does: "breaks a rule, doesn't answer the Close and keeps TCP open", Wants: "Close 1002, then TCP ends within 35 s",
			Sends: size(reserved), Courtesy: client.Mute, Do: sends(reserved), Judge: outlives(closeguard.ProtocolError),
		},
		{
			Name: "stalls-in-answer", Kind: rude, RFC: "7.1.1", Does: "breaks a rule, and answers the Close with the first byte of one", Wants: "Close 1002, then TCP ends within 35 s",
			Sends: size(reserved) + 1, Courtesy: client.Mute, Do: whenClosed([]byte{0x88}), Judge: outlives(closeguard.ProtocolError),
		},
		{
			Name: "trickles", Kind: rude, RFC: "7.1.1", Does: "breaks a rule, and then sends a byte of an endless message every 250 ms", Wants: "Close 1002, then TCP ends within 35 s",
			Sends: size(reserved) + len(endless) + 4<<10, Courtesy: client.Mute, Do: trickle(endless), Judge: outlives(closeguard.ProtocolError),
		},
		{
			Name: "stalls", Kind: rude, RFC: "7.1.7", Does: "sends half a Close and nothing more", Wants: "TCP ends some time",
			Sends: len(half), Courtesy: client.Mute, Do: writes(half), Judge: endsSomehow,
		},
		{
			Name: "half-closes", Kind: rude, RFC: "7.1.7", Does: "ends its direction of TCP without a Close and reads on", Wants: "TCP ends",
			Courtesy: client.Mute, Do: halfClose(), Judge: endsWithoutUs,
		},
		{
			Name: "closes-and-half-closes", Kind: rude, RFC: "7.1.1", Does: "closes, ends its direction of TCP and reads on", Wants: "Close 1001, then FIN",
			Sends: size(bye), Courtesy: client.Mute, Do: halfClose(bye), Judge: repeats(1001),
		},
	}
}

const behindCount = 16

// goesOn breaks a rule and goes on as if nothing had happened.
func goesOn(behind client.Frame) func(context.Context, *client.Conn) error {
	return func(ctx context.Context, c *client.Conn) error {
		err := c.Send(reserved)
		for range behindCount {
			pause(ctx, time.Second/behindCount)
			if err != nil {
				return err
			}
			err = c.Send(behind)
		}
		return err
	}
}

// endsSomehow can't call it bad that nothing happens: the server was told nothing, and
// may have longer limits.
func endsSomehow(o outcome) Verdict {
	if o.End == client.Open {
		return CantTell
	}
	return Good
}

func endsWithoutUs(o outcome) Verdict { return o.letsGo(patience) }

func writes(b []byte) func(context.Context, *client.Conn) error {
	return func(_ context.Context, c *client.Conn) error { return c.Write(b) }
}

func halfClose(frames ...client.Frame) func(context.Context, *client.Conn) error {
	return func(_ context.Context, c *client.Conn) error {
		if err := c.Send(frames...); err != nil {
			return err
		}
		return c.CloseWrite()
	}
}

// whenClosed breaks a rule, and writes b when the server's Close has come.
func whenClosed(b []byte) func(context.Context, *client.Conn) error {
	return func(ctx context.Context, c *client.Conn) error {
		if err := c.Send(reserved); err != nil {
			return err
		}
		c.AwaitClose(ctx)
		return c.Write(b)
	}
}

func trickle(begin []byte) func(context.Context, *client.Conn) error {
	return func(ctx context.Context, c *client.Conn) error {
		err := whenClosed(begin)(ctx, c)
		for range 4 << 10 {
			pause(ctx, 250*time.Millisecond)
			if err != nil || ctx.Err() != nil {
				return err
			}
			err = c.Write([]byte{0})
		}
		return err
	}
}
