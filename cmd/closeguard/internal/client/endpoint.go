// Package client is a WebSocket client that does what it is told and nothing else, counts
// what it sends, and writes down what the server does. Whatever comes, it keeps no more
// than a few hundred bytes of it.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"
)

// An Endpoint is where to connect to, and what to ask for there.
type Endpoint struct {
	URL    *url.URL // ws or wss
	Header http.Header
	TLS    *tls.Config // for wss; nil: the defaults
	First  string      // a text message to begin with; "": none

	port  uint16
	addrs []netip.Addr // those that were looked up and allowed
	works atomic.Int32 // the one of them that took a connection last
}

// A ForeignHostError says that a host is not this machine.
type ForeignHostError struct {
	Host string
	Addr netip.Addr
}

func (e *ForeignHostError) Error() string {
	return fmt.Sprintf("%q is %v, which is not a loopback address", e.Host, e.Addr)
}

// Locate looks the host's addresses up, once and for all: connections go to the address
// that was allowed, whatever the name means later. Unless any host may be examined, all
// its addresses have to be loopback, else the error is a *ForeignHostError.
func (e *Endpoint) Locate(ctx context.Context, anyHost bool) error {
	service := e.URL.Port()
	if service == "" {
		service = map[string]string{"ws": "80", "wss": "443"}[e.URL.Scheme]
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return err
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", e.URL.Hostname())
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if !anyHost && !addr.Unmap().IsLoopback() {
			return &ForeignHostError{e.URL.Hostname(), addr.Unmap()}
		}
	}
	e.addrs, e.port = addrs, uint16(port) // LookupPort returns a port
	return nil
}

// connect tries the addresses in turn: "localhost" is ::1 too, where often nobody listens.
func (e *Endpoint) connect(ctx context.Context) (net.Conn, error) {
	var errs []error
	first := int(e.works.Load())
	for i := range e.addrs {
		i = (first + i) % len(e.addrs)
		nc, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(e.addrs[i].Unmap(), e.port).String())
		if err == nil {
			e.works.Store(int32(i)) // it is small
			return nc, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Dial connects, does the opening handshake and sends the first message. From then on the
// budget holds. The context's end closes it.
func (e *Endpoint) Dial(ctx context.Context, budget Budget) (*Conn, error) {
	nc, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	return e.begin(ctx, nc, budget)
}

// begin opens on a connection that is there.
func (e *Endpoint) begin(ctx context.Context, nc net.Conn, budget Budget) (*Conn, error) {
	c := &Conn{tcp: nc, conn: nc, budget: budget, ended: make(chan struct{}), closed: make(chan struct{}), ponged: make(chan struct{})}
	c.stop = context.AfterFunc(ctx, c.expire)
	if err := e.open(ctx, c); err != nil {
		c.Shut()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return nil, fmt.Errorf("opening handshake: %w", err)
	}
	c.opened = time.Now()
	return c, nil
}
