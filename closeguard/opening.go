package closeguard

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// opening is the opening handshake, until the whole head of a 101 was seen, or of
// another answer (rule 0). The link's mu guards it.
type opening struct {
	link     *link
	ctx      context.Context // that the request came with
	upgrade  upgrade         // a server's, of a request
	head     wire.Head       // of the answer
	early    []byte          // what the peer sent before the 101 was out; to a client, behind it
	proxy    proxy           // of a client
	inTheWay error           // says who is in the way of a WebSocket
}

// phase is how far the opening handshake is.
type phase uint8

const (
	phaseHTTP        phase = iota // before the end of a 101's head
	phaseOpen                     // frames follow
	phasePassthrough              // no WebSocket: whatever comes passes, for ever
	phaseWitness                  // there is no transport
)

// proxy is whether a client asked a proxy to CONNECT.
type proxy uint8

const (
	proxyNone  proxy = iota
	proxyAsked       // and its answer is still to come
)

// maxEarly is how much may come before the 101 is out; more is no WebSocket.
const maxEarly = 1 << 20

// read takes bytes of the peer's. To a client they are the answer; a server was sent
// frames too early, which count from the 101 on.
func (o *opening) read(p []byte) {
	if o.link.role == Server {
		o.early = append(o.early, p...)
		if len(o.early) > maxEarly {
			o.passThrough()
		}
		return
	}
	n := o.head.Feed(p)
	if o.proxy == proxyAsked && o.head.Done() && o.head.Status == 200 {
		// The proxy has connected; the server's answer is still to come.
		o.proxy, o.head = proxyNone, wire.Head{}
		p = p[n:]
		n = o.head.Feed(p)
	}
	switch {
	case o.head.Bad(), o.head.Done() && o.head.Status != 101:
		o.passThrough()
	case o.head.Done():
		o.agree(clip(o.head.Subprotocol, maxName), o.head.Claimed)
		o.early = bytes.Clone(p[n:])
		o.open()
	}
}

// asks takes bytes of a client's request.
func (o *opening) asks(p []byte) {
	if bytes.HasPrefix(p, []byte("CONNECT ")) {
		o.proxy = proxyAsked
	}
}

// writeUnlocking is a Write of a server's library, with mu and the direction's lock,
// which it gives back. The way from here to the transport is short, because an idle
// connection's stack is never deeper, and doubles for one that is a little deeper.
func (o *opening) writeUnlocking(p []byte) (n int, err error) {
	l := o.link
	defer l.mu.Unlock()
	defer l.endWriteYielding()
	if n, err = o.writeYielding(p); err == nil && n < len(p) {
		var frames int
		frames, err = l.writeFramesYielding(p[n:])
		n += frames
	}
	return n, err
}

// writeYielding passes a server's answer, up to the end of a 101's head: what is
// behind that is frames.
func (o *opening) writeYielding(p []byte) (int, error) {
	k := o.head.Feed(p)
	switched := o.head.Done() && o.head.Status == 101
	if !switched {
		k = len(p)
	}
	n, err := o.link.transportWriteYielding(p[:k])
	if err == nil && n < k {
		var more int
		more, err = o.link.passYielding(p[n:k])
		n += more
	}
	switch {
	case o.link.phase != phaseHTTP: // closed meanwhile
	case switched && err != nil:
		o.refuseYielding(0) // the peer has part of a head
	case switched:
		o.agree(o.head.Subprotocol, o.head.Claimed)
		o.openYielding()
	case o.head.Bad():
		o.inTheWay = errNoAnswer
		o.refuseYielding(0)
	case o.head.Done():
		o.refuseYielding(o.head.Status)
	}
	return n, err
}

// agree takes note of the subprotocol, which may be none, and of the reserved bits
// that the extensions use.
func (o *opening) agree(subprotocol string, claimed byte) {
	o.link.agreeOn(subprotocol)
	o.link.claim(claimed)
}

// openYielding is open for a server, which asks the program for what it wants to be
// told of the connection.
func (o *opening) openYielding() {
	l, u := o.link, &o.upgrade
	var attrs []slog.Attr
	l.yield(func() { attrs = l.guard.attrsOf(u.request) })
	o.routeYielding(u.request)
	if l.phase == phaseHTTP { // else it was closed meanwhile
		l.label(attrs)
		l.offer(u.request)
		u.request = nil // it is the program's alone from here on
		o.open()
		if !u.returned {
			l.guard.released()
		}
	}
}

// open begins the guarded part: the opening handshake has succeeded.
func (o *opening) open() {
	l := o.link
	l.opening = nil
	l.phase = phaseOpen
	now := l.guard.now()
	l.in.Touch(now)
	l.out.opens(now)
	l.life = newLifetime(l)
	if l.guard.opts.CountTraffic {
		l.needLabels().traffic = newTraffic(l.role)
	}
	late := l.guard.add(l)
	l.tellOpened()
	l.scanIn(o.early)
	l.schedule()
	if late != nil {
		late.joinLate(l)
	}
}

// passThrough takes note that there will be no 101: what comes passes.
func (o *opening) passThrough() {
	o.link.phase, o.link.opening = phasePassthrough, nil
	o.link.guard.disclaim(o.link)
}

// refuseYielding is passThrough for a request that got another answer, which the
// observers are told.
func (o *opening) refuseYielding(status int) {
	l, u := o.link, &o.upgrade
	o.passThrough()
	l.ended.grow(final) // whoever waits for the end of what never opened has waited enough
	l.audience.ended()
	if u.request != nil {
		defer func() { l.guard.refuse(o.ctx, l.info(), status, o.inTheWay) }()
		l.offer(u.request)
		o.routeYielding(u.request)
	}
}

// routeYielding asks for the request's route, unless the program has said it.
func (o *opening) routeYielding(r *http.Request) {
	l := o.link
	if l.route != "" {
		return
	}
	var route string
	l.yield(func() { route = l.guard.routeOf(r) })
	if l.route == "" {
		l.route = route
	}
}
