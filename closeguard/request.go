package closeguard

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// What a request says of the connection that it becomes, and what the program says
// of the request. The program is asked without mu.

const (
	maxName     = 256 // bytes that are kept of a path, a route or an address
	maxOffered  = 8   // subprotocols that are kept
	maxProtocol = 64  // bytes that are kept of each
)

// requestInfo is what is known when a request comes.
func (g *Guard) requestInfo(r *http.Request) ConnInfo {
	info := ConnInfo{Role: Server, Path: pathOf(r)}
	if g.opts.Remote != nil {
		info.Remote = g.nameOf(r, "Options.Remote", g.opts.Remote)
	}
	if info.Remote == "" {
		info.Remote = r.RemoteAddr
	}
	return info
}

// routeOf is the route that a request has taken.
func (g *Guard) routeOf(r *http.Request) string {
	if g.opts.Route != nil {
		if route := g.nameOf(r, "Options.Route", g.opts.Route); route != "" {
			return route
		}
	}
	return r.Pattern
}

// nameOf asks the program for a name.
func (g *Guard) nameOf(r *http.Request, what string, option func(*http.Request) string) (name string) {
	g.protect(r.Context(), what, func() { name = keep(option(r), maxName) })
	return name
}

// attrsOf are the attributes that the program gives a request.
func (g *Guard) attrsOf(r *http.Request) (attrs []slog.Attr) {
	if g.opts.Attrs != nil {
		g.protect(r.Context(), "Options.Attrs", func() { attrs = slices.Clone(g.opts.Attrs(r)) })
	}
	return attrs
}

// pathOf is a request's path, as far as it is kept.
func pathOf(r *http.Request) string {
	if r.URL == nil {
		return ""
	}
	path := keep(r.URL.Path, maxName)
	if len(r.RequestURI) > maxName {
		path = strings.Clone(path) // it would keep all of the URI
	}
	return path
}

// offered are the subprotocols that a request's header fields offer, in the peer's
// order.
func offered(fields []string) (protocols []string) {
	for _, value := range fields {
		for p := range strings.SplitSeq(value, ",") {
			if len(protocols) == maxOffered {
				return protocols
			}
			if p = strings.TrimSpace(p); p != "" {
				protocols = append(protocols, strings.Clone(clip(p, maxProtocol)))
			}
		}
	}
	return protocols
}

// keep is clip for what is kept: a short piece of a long string would keep it all.
func keep(s string, n int) string {
	if len(s) > n {
		return strings.Clone(clip(s, n))
	}
	return clip(s, n)
}
