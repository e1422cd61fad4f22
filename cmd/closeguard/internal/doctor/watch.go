package doctor

import (
	"fmt"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var restart = &Kind{
	Name:  "restart",
	Means: "A restart cuts connections off: users see 1006, as if the network had failed, and clients that tell a fault from a farewell count it as a fault.",
	Cure:  "Shut down with closeguard.ShutdownServer: it says 1001 to everybody and waits for the answers. Give the process time for it (terminationGracePeriodSeconds, TimeoutStopSec), and take proxies away last.",
}

// Watch is so many clients that stay, say nothing, and are to be told when the server goes.
func Watch(clients int, d time.Duration) []*Probe {
	probes := make([]*Probe, clients)
	for i := range probes {
		probes[i] = &Probe{
			Name: fmt.Sprintf("client-%d", i+1), Kind: restart, RFC: "7.4.1", Does: fmt.Sprintf("stays for up to %v, and answers Pings", d),
			Wants: "a Close, 1001 or 1012 mostly, then FIN", Lasts: d, Courtesy: client.Polite, Do: nothing, Judge: isTold,
		}
	}
	return probes
}

// isTold can't tell if nothing ended.
func isTold(o outcome) Verdict {
	switch {
	case o.Broken == "" && o.End == client.Open && o.Close == nil:
		return CantTell
	case o.closedWell():
		return Good
	}
	return Bad
}
