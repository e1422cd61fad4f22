package doctor

import (
	"fmt"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

var illegalCode = &Kind{
	Name:  "illegal-code",
	Means: "A code that must not be sent is taken, or repeated: logs count ends that never happened so, and a strict client takes the answer for a broken frame and shows 1002 or 1006.",
	Cure:  "Put closeguard around the handler: it answers such a Close with 1002. Don't answer with the code that came unless you have checked it.",
}

// illegalCodes close with codes that must not be sent (RFC 6455 sections 7.4.1 and
// 7.4.2), and with some that nobody has a meaning for yet.
func illegalCodes() []*Probe {
	var probes []*Probe
	for _, code := range []closeguard.Code{0, 999, 1004, 1005, 1006, 1015, 5000, 65535} {
		probes = append(probes, illegally(code, "7.4.1", "Close 1002, then FIN", refuses(closeguard.ProtocolError)))
	}
	for _, code := range []closeguard.Code{1016, 2999} {
		probes = append(probes, illegally(code, "7.4.2", "Close 1002, then FIN; a later edition may allow the code", orNew(code)))
	}
	return probes
}

func illegally(code closeguard.Code, rfc, wants string, judge func(outcome) Verdict) *Probe {
	f := client.Close(code, "doctor")
	return &Probe{
		Name: fmt.Sprint(int(code)), Kind: illegalCode, RFC: rfc, Does: fmt.Sprintf("closes with %v", code), Wants: wants,
		Sends: size(f), Courtesy: client.Closer, Do: sends(f), Judge: judge,
	}
}

// orNew takes it for no fault to bear a code that is free today: 1012 to 1014 were, once.
func orNew(code closeguard.Code) func(outcome) Verdict {
	refused := refuses(closeguard.ProtocolError)
	return func(o outcome) Verdict {
		if o.Close != nil && (o.Close.Code == code || o.Close.Code == closeguard.NormalClosure) {
			return CantTell
		}
		return refused(o)
	}
}
