package doctor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

// A Probe is one thing that a client does, and what a good endpoint answers.
type Probe struct {
	Name  string // within its kind
	Kind  *Kind
	RFC   string // section of RFC 6455
	Does  string // what the client does
	Wants string // what is good

	Sends    int             // the most bytes that Do sends
	Courtesy client.Courtesy // what the client answers by itself
	Late     bool            // the client reads only after Do
	Lasts    time.Duration   // how long it may take, if not as long as the others
	Heavy    bool            // only if asked for

	Do    func(context.Context, *client.Conn) error
	Judge func(outcome) Verdict
}

// A Kind of probes has in common what a bad one means for people, and what to do.
type Kind struct {
	Name  string
	Means string
	Cure  string
}

// An outcome is what there is to judge of.
type outcome struct {
	client.Seen
	limit time.Duration // how long the probe would have waited
	err   error         // the client's, of sending
}

// FullName is the kind's name and the probe's.
func (p *Probe) FullName() string { return p.Kind.Name + "/" + p.Name }

// Probes returns all of them, heavy ones last, in the order of the reports.
func Probes() []*Probe {
	return slices.Concat(
		echoes(), illegalCodes(), brokenCloses(), brokenHeaders(), fragments(), orders(), pings(), rudes(), heavies(),
	)
}

// An UnknownProbeError is a name that no probe and no kind has.
type UnknownProbeError struct{ Name string }

func (e *UnknownProbeError) Error() string { return "there is no probe " + e.Name }

// Select returns the probes that a list of names, of probes or kinds, means, and all that
// are not heavy if there is none. Heavy ones are never among them unless asked for.
func Select(names []string, heavy bool) ([]*Probe, error) {
	all := Probes()
	if !heavy {
		all = slices.DeleteFunc(all, func(p *Probe) bool { return p.Heavy })
	}
	if len(names) == 0 {
		return all, nil
	}
	chosen := make(map[*Probe]bool)
	for _, name := range names {
		found := false
		for _, p := range all {
			if p.FullName() == name || strings.EqualFold(p.Kind.Name, name) {
				chosen[p], found = true, true
			}
		}
		if !found {
			return nil, &UnknownProbeError{name}
		}
	}
	return slices.DeleteFunc(all, func(p *Probe) bool { return !chosen[p] }), nil
}
