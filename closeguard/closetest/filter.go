package closetest

import (
	"errors"
	"slices"

	"github.com/closeguard/ws/closeguard"
)

// A Filter chooses events of a [Recorder]. Any function will do.
type Filter func(ev closeguard.Event) bool

// Ended passes close events.
func Ended(ev closeguard.Event) bool {
	_, ok := ev.(closeguard.CloseEvent)
	return ok
}

// Unclean passes close events of connections whose closing handshake was not clean.
func Unclean(ev closeguard.Event) bool {
	end, ok := ev.(closeguard.CloseEvent)
	return ok && !end.Clean()
}

// Is passes events of one type: Is[*closeguard.Refused].
func Is[E closeguard.Event](ev closeguard.Event) bool {
	_, ok := ev.(E)
	return ok
}

// Number passes the events of the guard's connection of that number.
func Number(n uint64) Filter {
	return func(ev closeguard.Event) bool { return ev.Connection().Number == n }
}

// Path passes the events of connections whose request had that path.
func Path(path string) Filter {
	return func(ev closeguard.Event) bool { return ev.Connection().Path == path }
}

// WithCode passes close events with one of the codes.
func WithCode(codes ...closeguard.Code) Filter {
	return func(ev closeguard.Event) bool {
		end, ok := ev.(closeguard.CloseEvent)
		return ok && slices.Contains(codes, end.Code())
	}
}

// CausedBy passes close events in whose tree errors.Is finds target.
func CausedBy(target error) Filter {
	return func(ev closeguard.Event) bool {
		end, ok := ev.(closeguard.CloseEvent)
		return ok && errors.Is(end, target)
	}
}

// Not passes what f doesn't.
func Not(f Filter) Filter {
	return func(ev closeguard.Event) bool { return !f(ev) }
}
