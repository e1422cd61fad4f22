package measure

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
	"github.com/closeguard/ws/closeguard/cause"
)

// maxRoute is how long routes are that events have.
const maxRoute = 256

// other is the word for routes that are in no list.
const other = "other"

// Words are the words of a program's events.
type Words struct {
	codes  codes
	routes map[string]string // each as the word for itself
}

// NewWords takes what both adapters' Options have. An error names the option.
func NewWords(catalogs []catalog.Names, routes []string) (*Words, error) {
	w := &Words{routes: make(map[string]string, len(routes))}
	for i, route := range routes {
		if rule := badRoute(route); rule != "" {
			return nil, fmt.Errorf("Options.Routes[%d] is %q: %s", i, route, rule)
		}
		w.routes[route] = route
	}
	var err error
	w.codes, err = newCodes(catalogs)
	return w, err
}

// badRoute is the rule that a route breaks, "" if it breaks none.
func badRoute(route string) string {
	switch {
	case route == "":
		return "must not be empty"
	case len(route) > maxRoute:
		return "must not be longer than 256 bytes, as no route of an event is"
	case !utf8.ValidString(route):
		return "must be UTF-8"
	}
	for _, r := range route {
		if !strconv.IsPrint(r) {
			return "must have printable characters only"
		}
	}
	return ""
}

// LabelsOf are the labels of a metric, with the route if there are routes.
func (w *Words) LabelsOf(m Metric) []Label {
	if len(w.routes) == 0 {
		return m.Labels
	}
	return append(m.Labels[:len(m.Labels):len(m.Labels)], Route)
}

func (w *Words) route(route string) string {
	if word, ok := w.routes[route]; ok {
		return word
	}
	return other
}

// End is what is measured of a connection's end.
type End struct {
	Values
	Duration   time.Duration
	Handshake  time.Duration // 0: there was none
	Unanswered bool
	Repaired   string // the word for the code of a Close that must not be sent; "": there was none
}

// End measures a close event.
func (w *Words) End(ev closeguard.CloseEvent) End {
	e := ending(ev)
	end := End{Duration: e.Duration, Handshake: e.Handshake}
	end.Values[Kind] = ev.Kind()
	end.Values[Cause] = ev.Cause().String()
	end.Values[Initiator] = initiator(ev)
	end.Values[Code] = w.code(ev)
	end.Values[Route] = w.route(e.Route)
	_, dropped := ev.(*closeguard.Dropped)
	end.Unanswered = !dropped && e.Guarded && !e.Answered() // else the library hides what it answers
	if e.Intended != nil && e.Sent != nil && *e.Intended != e.Intended.Fit(e.Role) {
		end.Repaired = w.codes.word(e.Intended.Code)
	}
	return end
}

// ending is what End returns a copy of.
func ending(ev closeguard.CloseEvent) *closeguard.Ending {
	switch e := ev.(type) {
	case *closeguard.PeerClosed:
		return &e.Ending
	case *closeguard.LocalClosed:
		return &e.Ending
	case *closeguard.Dropped:
		return &e.Ending
	default:
		panic(fmt.Sprintf("BUG: closeguard: there is no close event %T", ev))
	}
}

// code is the word for an event's code. That of a Close that breaks a rule is only the
// one that it was answered with.
func (w *Words) code(ev closeguard.CloseEvent) string {
	if e, ok := ev.(*closeguard.PeerClosed); ok && e.Received != nil && e.Received.Code != e.Code() {
		return illegal
	}
	return w.codes.word(ev.Code())
}

// initiator is who began the end. Where TCP ended without a Close frame and not by us,
// the peer or whatever is in between may have.
func initiator(ev closeguard.CloseEvent) string {
	switch ev.(type) {
	case *closeguard.PeerClosed:
		return "peer"
	case *closeguard.LocalClosed:
		return "local"
	}
	if c := ev.Cause(); c == cause.None || c.OfTransport() {
		return "transport"
	}
	return "local"
}

// Refusal measures a request that became no WebSocket.
func (w *Words) Refusal(ev *closeguard.Refused) Values {
	return Values{Status: statusClass(ev.Status), Cause: refuser(ev.Err), Route: w.route(ev.Route)}
}

// statusClass is the class of an answer's status, none where there was no answer.
func statusClass(status int) string {
	classes := [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}
	switch i := status/100 - 1; {
	case status == 0:
		return "none"
	case i >= 0 && i < len(classes):
		return classes[i]
	}
	return other
}

// refuser is who refused a request: an error of the guard's that isn't ErrShutdown names
// a wrapper of the ResponseWriter.
func refuser(err error) string {
	switch {
	case err == nil:
		return "program"
	case errors.Is(err, closeguard.ErrShutdown):
		return "shutdown"
	}
	return "wrapper"
}
