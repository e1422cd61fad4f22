package closeguard

import (
	"errors"
	"log/slog"
	"net/http"
)

// identity is which connection it is, and what its ConnInfo is put together from
// when somebody needs one.
type identity struct {
	guard  *Guard
	number uint64 // among the guard's, 0 before it opens
	remote string
	route  string
	path   string
	labels *labels // nil if it has none
}

// labels are what few connections have.
type labels struct {
	subprotocol string
	offered     *[]string // where none was agreed on
	attrs       []slog.Attr
	keys        []string // guarded by the guard's mu as well
	traffic     *traffic // nil: it isn't counted
}

// begin takes what is known of a connection at first.
func (i *identity) begin(g *Guard, info *ConnInfo) {
	i.guard = g
	i.remote, i.route, i.path = info.Remote, info.Route, info.Path
	i.agreeOn(info.Subprotocol)
	if len(info.Attrs) > 0 {
		i.needLabels().attrs = info.Attrs
	}
}

// agreeOn takes note of the subprotocol, which may be none.
func (i *identity) agreeOn(subprotocol string) {
	if subprotocol != "" {
		i.needLabels().subprotocol = subprotocol
	}
}

// offer takes the subprotocols that a request offers, unless one was agreed on: then
// they don't matter.
func (i *identity) offer(r *http.Request) {
	values := r.Header["Sec-Websocket-Protocol"]
	if len(values) == 0 || i.labels != nil && i.labels.subprotocol != "" {
		return
	}
	protocols := offered(values)
	i.needLabels().offered = &protocols
}

// label takes the attributes that the program gives a connection, which stand before
// those it has.
func (i *identity) label(attrs []slog.Attr) {
	if len(attrs) > 0 {
		labels := i.needLabels()
		labels.attrs = append(attrs, labels.attrs...)
	}
}

// needLabels returns the connection's labels, to be written.
func (i *identity) needLabels() *labels {
	if i.labels == nil {
		i.labels = new(labels)
	}
	return i.labels
}

func (l *link) info() ConnInfo {
	info := ConnInfo{
		Number:  l.number,
		Role:    l.role,
		Guarded: l.phase == phaseOpen,
		Remote:  l.remote,
		Route:   l.route,
		Path:    l.path,
	}
	if l.labels != nil {
		info.Subprotocol, info.Attrs, info.Keys = l.labels.subprotocol, l.labels.attrs, l.labels.keys
		if l.labels.offered != nil {
			info.Offered = *l.labels.offered
		}
	}
	return info
}

// isIn reports whether this very connection's event is in err's tree; to put it
// into another one would make a circle.
func (i *identity) isIn(err error) bool {
	ev, ok := find[CloseEvent](err)
	return ok && ev.end().guard == i.guard && ev.end().Number == i.number
}

// without returns err without this very connection's event: nil if that is all
// that it says.
func (i *identity) without(err error) error {
	if !i.isIn(err) {
		return err
	}
	switch e := err.(type) { //nolint:errorlint // what is inside comes next
	case CloseEvent:
		return nil
	case interface{ Unwrap() []error }:
		var kept []error
		for _, err := range e.Unwrap() {
			kept = append(kept, i.without(err))
		}
		return join(kept...)
	default:
		return i.without(errors.Unwrap(err))
	}
}
