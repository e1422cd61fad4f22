package scenario

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	coderadapter "github.com/closeguard/ws/adapters/coder"
	gorillaadapter "github.com/closeguard/ws/adapters/gorilla"
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/sockets"
)

// handlers are how a library serves, dialers how it connects.
var (
	handlers = map[string]func(*run) http.Handler{"gorilla": gorillaHandler, "coder": coderHandler}
	dialers  = map[string]func(r *run, url string) (socket, error){"gorilla": gorillaDial, "coder": coderDial}
)

func gorillaHandler(r *run) http.Handler {
	upgrader := gorilla.Upgrader{EnableCompression: r.is("deflate")}
	if r.is("adapter") {
		return gorillaadapter.Handler(r.guard, &upgrader, func(_ *http.Request, c *gorillaadapter.Conn) error {
			return r.serve(&gorillaSocket{sockets.Gorilla{Conn: c, Formats: true}, c.Conn, c})
		})
	}
	return r.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		conn, err := upgrader.Upgrade(w, request, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		r.serve(&gorillaSocket{sockets.Gorilla{Conn: conn, Formats: true}, conn, closeguard.FromContext(request.Context())})
	}))
}

func (r *run) compression() coder.CompressionMode {
	if r.is("deflate") {
		return coder.CompressionNoContextTakeover
	}
	return coder.CompressionDisabled
}

func coderHandler(r *run) http.Handler {
	opts := coder.AcceptOptions{CompressionMode: r.compression(), CompressionThreshold: 1}
	if r.is("adapter") {
		return coderadapter.Handler(r.guard, &opts, func(_ *http.Request, c *coderadapter.Conn) error {
			s := newCoderSocket(c.Conn)
			s.Conn, s.control = c, c
			return r.serve(s)
		})
	}
	return r.guard.Middleware(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		conn, err := coder.Accept(w, request, &opts)
		if err != nil {
			return
		}
		s := newCoderSocket(conn)
		defer s.Close()
		s.control = closeguard.FromContext(request.Context())
		r.serve(s)
	}))
}

var trusting = &tls.Config{InsecureSkipVerify: true}

// dialGuarded returns functions that dial with and without TLS, for plain
// library code, and what they dialed.
func (r *run) dialGuarded() (plain, secure func(context.Context, string, string) (net.Conn, error), dialed func() *closeguard.Conn) {
	var last *closeguard.Conn
	wrap := func(nc net.Conn, err error) (net.Conn, error) {
		if err != nil {
			return nil, err
		}
		guarded, err := r.guard.Driver().WrapHandshake(nc)
		last, _ = guarded.(*closeguard.Conn)
		return guarded, err
	}
	plain = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return wrap(new(net.Dialer).DialContext(ctx, network, addr))
	}
	secure = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return wrap((&tls.Dialer{Config: trusting}).DialContext(ctx, network, addr))
	}
	return plain, secure, func() *closeguard.Conn { return last }
}

func gorillaDial(r *run, url string) (socket, error) {
	dialer := gorilla.Dialer{EnableCompression: r.is("deflate"), TLSClientConfig: trusting}
	if r.is("adapter") {
		c, _, err := gorillaadapter.Dial(context.Background(), r.guard, &dialer, url, nil)
		if err != nil {
			return nil, err
		}
		return &gorillaSocket{sockets.Gorilla{Conn: c, Formats: true}, c.Conn, c}, nil
	}
	plain, secure, dialed := r.dialGuarded()
	dialer.NetDialContext, dialer.NetDialTLSContext = plain, secure
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		return nil, err
	}
	return &gorillaSocket{sockets.Gorilla{Conn: conn, Formats: true}, conn, dialed()}, nil
}

func coderDial(r *run, url string) (socket, error) {
	opts := coder.DialOptions{CompressionMode: r.compression(), CompressionThreshold: 1}
	if r.is("adapter") {
		opts.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
		c, _, err := coderadapter.Dial(context.Background(), r.guard, url, &opts)
		if err != nil {
			return nil, err
		}
		s := newCoderSocket(c.Conn)
		s.Conn, s.control = c, c
		return s, nil
	}
	plain, secure, dialed := r.dialGuarded()
	opts.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: plain, DialTLSContext: secure}}
	conn, _, err := coder.Dial(context.Background(), url, &opts)
	if err != nil {
		return nil, err
	}
	s := newCoderSocket(conn)
	s.control = dialed()
	return s, nil
}
