package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var fragment = &Kind{
	Name:  "fragments",
	Means: "A Close, or a Ping, that is not where the endpoint expects it gets lost: clients behind slow or odd networks show 1006.",
	Cure:  "Put closeguard around the handler, and read with the library's own calls in one loop: control frames come between the fragments of messages.",
}

// fragments send what has to be understood however it is cut.
func fragments() []*Probe {
	begin := client.Frame{Opcode: client.OpText, Payload: []byte("doc"), More: true}
	rest := client.Frame{Opcode: client.OpContinuation, Payload: []byte("tor")}
	ping, bye := client.Ping("between"), client.Close(1001, "doctor")
	return []*Probe{
		{
			Name: "ping-between", Kind: fragment, RFC: "5.4", Does: "sends a Ping between the fragments of a message, then closes", Wants: "a Pong, Close 1001, then FIN",
			Sends: size(begin, ping, rest, bye), Courtesy: client.Closer, Do: pingThenClose([]client.Frame{begin, ping, rest}, bye), Judge: pongs("between", 1001),
		},
		{
			Name: "close-between", Kind: fragment, RFC: "5.4", Does: "closes between the fragments of a message", Wants: "Close 1001, then FIN",
			Sends: size(begin, bye), Courtesy: client.Closer, Do: sends(begin, bye), Judge: repeats(1001),
		},
		{
			Name: "close-in-pieces", Kind: fragment, RFC: "5.2", Does: "closes, each byte of the frame in a segment of its own", Wants: "Close 1001, then FIN",
			Sends: size(bye), Courtesy: client.Closer, Do: inPieces(bye), Judge: repeats(1001),
		},
	}
}

// pingThenClose sends frames, a Ping among them, and closes when the Pong is there.
func pingThenClose(frames []client.Frame, bye client.Frame) func(context.Context, *client.Conn) error {
	return func(ctx context.Context, c *client.Conn) error {
		if err := c.Send(frames...); err != nil {
			return err
		}
		c.AwaitPong(ctx)
		return c.Send(bye)
	}
}

// pongs is good if a Pong with that payload came, and the Close's code.
func pongs(payload string, code closeguard.Code) func(outcome) Verdict {
	closed := repeats(code)
	return func(o outcome) Verdict {
		if !slices.Contains(o.Pongs, payload) { // there may be others, which nobody asked for
			return Bad
		}
		return closed(o)
	}
}

func inPieces(f client.Frame) func(context.Context, *client.Conn) error {
	return func(ctx context.Context, c *client.Conn) error {
		for _, b := range client.Bytes(f) {
			if err := c.Write([]byte{b}); err != nil {
				return err
			}
			pause(ctx, 5*time.Millisecond)
		}
		return nil
	}
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
