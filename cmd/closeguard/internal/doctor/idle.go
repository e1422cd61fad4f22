package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var idle = &Kind{
	Name:  "idle",
	Means: "A connection on which nothing is said is ended without a Close, by the server or by a proxy before it: users see 1006, and the page has to guess whether to come back.",
	Cure:  "Send Pings more often than that (closeguard.Options.PingInterval), or make the proxy's limit longer (proxy_read_timeout of nginx, timeout tunnel of haproxy).",
}

// Idle says nothing for so long, and answers Pings as a browser does.
func Idle(d time.Duration) *Probe {
	return &Probe{
		Name: "quiet", Kind: idle, RFC: "7.1.5", Does: fmt.Sprintf("says nothing for %v, and answers Pings", d),
		Wants: "the connection stays, or is ended by a Close", Lasts: d, Courtesy: client.Polite, Do: nothing, Judge: staysOrCloses,
	}
}

func nothing(context.Context, *client.Conn) error { return nil }

func staysOrCloses(o outcome) Verdict {
	if o.Broken == "" && (o.End == client.Open && o.Close == nil || o.closedWell()) {
		return Good
	}
	return Bad
}
