package doctor

import (
	"context"
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

// How long a server may hold on to TCP when both Closes are there, and when the client
// doesn't play its part: libraries wait for up to 30 s then.
const (
	promptly = 5 * time.Second
	patience = 35 * time.Second
)

// repeats is good if the Close is answered with its own code. Another one that blames
// nobody may be the program's own word.
func repeats(code closeguard.Code) func(outcome) Verdict {
	return func(o outcome) Verdict {
		switch v := o.letsGo(promptly); {
		case !o.closedWell() || v == Bad:
			return Bad
		case o.Close.Code == code:
			return v
		case o.Close.Code == closeguard.NormalClosure, o.Close.Code == closeguard.NoStatusReceived:
			return CantTell
		}
		return Bad
	}
}

// refuses is good if the endpoint says, with one of the codes, that the client broke a
// rule, and lets go soon.
func refuses(codes ...closeguard.Code) func(outcome) Verdict { return blaming(codes, promptly) }

// outlives is refuses with a client that makes the end difficult.
func outlives(codes ...closeguard.Code) func(outcome) Verdict { return blaming(codes, patience) }

// delivers is outlives towards a client that still sends or doesn't read: a reset behind
// the Close can destroy it then.
func delivers(codes ...closeguard.Code) func(outcome) Verdict {
	outlived := outlives(codes...)
	return func(o outcome) Verdict {
		if o.End == client.Reset {
			return Bad
		}
		return outlived(o)
	}
}

func blaming(codes []closeguard.Code, within time.Duration) func(outcome) Verdict {
	return func(o outcome) Verdict {
		if !o.blames(codes) {
			return Bad
		}
		return o.letsGo(within)
	}
}

func (o outcome) blames(codes []closeguard.Code) bool {
	return o.closedWell() && slices.Contains(codes, o.Close.Code)
}

// closedWell reports whether a legal Close came, nothing behind it, and no broken frame.
func (o outcome) closedWell() bool {
	return o.Close != nil && o.Illegal == nil && o.Broken == "" && o.After == 0
}

// letsGo is good if TCP has ended. If it hasn't, that is bad once the server has had its time.
func (o outcome) letsGo(within time.Duration) Verdict {
	switch {
	case o.End == client.FIN, o.End == client.Reset:
		return Good
	case o.End == client.Open && o.limit < within:
		return CantTell
	}
	return Bad
}

// sends is what most probes do: send frames at once, and see what comes until the end.
func sends(frames ...client.Frame) func(context.Context, *client.Conn) error {
	return func(_ context.Context, c *client.Conn) error { return c.Send(frames...) }
}

// size is how many bytes the frames have.
func size(frames ...client.Frame) int { return len(client.Bytes(frames...)) }
