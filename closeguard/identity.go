package closeguard

import "log/slog"

// identity is what a connection's ConnInfo is put together from when somebody
// needs one.
type identity struct {
	number uint64 // among the guard's, 0 before it opens
	remote string
	route  string
	path   string
	labels *labels // nil if it has none
}

// labels are what few connections have.
type labels struct {
	subprotocol string
	attrs       []slog.Attr
	keys        []string // guarded by the guard's mu as well
}

// identify gives the link what is known of its connection.
func (l *link) identify(info ConnInfo) {
	l.role = info.Role
	l.identity = identity{number: info.Number, remote: info.Remote, route: info.Route, path: info.Path}
	l.agreeOn(info.Subprotocol)
	if len(info.Attrs) > 0 {
		l.needLabels().attrs = info.Attrs
	}
}

// agreeOn takes note of the subprotocol, which may be none.
func (l *link) agreeOn(subprotocol string) {
	if subprotocol != "" {
		l.needLabels().subprotocol = subprotocol
	}
}

// needLabels returns the connection's labels, to be written.
func (l *link) needLabels() *labels {
	if l.labels == nil {
		l.labels = new(labels)
	}
	return l.labels
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
		info.Subprotocol, info.Attrs = l.labels.subprotocol, l.labels.attrs
	}
	return info
}
