package gorilla

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/gorilla/websocket"
)

// Dial is the Dialer's DialContext for a guarded connection. The dialer is
// copied and stays as it is; nil means websocket.DefaultDialer.
//
// The guard has to see plaintext, so for wss the TLS handshake is done here, by
// the dialer's TLSClientConfig; behind an HTTP proxy after CONNECT. A proxy of
// another kind is an error, because the guard would end up below it.
func Dial(ctx context.Context, guard *closeguard.Guard, dialer *websocket.Dialer, urlStr string, header http.Header) (*Conn, *http.Response, error) {
	if guard == nil {
		return nil, nil, driver.NilArgument("gorilla.Dial", "guard")
	}
	if dialer == nil {
		dialer = websocket.DefaultDialer
	}
	d := *dialer
	if err := guardDialer(guard, &d, urlStr); err != nil {
		return nil, nil, err
	}
	ws, resp, err := d.DialContext(ctx, urlStr, header)
	if err != nil {
		return nil, resp, err
	}
	c, err := Wrap(guard, ws)
	if err != nil {
		ws.Close()
		return nil, resp, err
	}
	return c, resp, nil
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// guardDialer puts the guard between the dialer's transport and the library.
func guardDialer(guard *closeguard.Guard, d *websocket.Dialer, urlStr string) error {
	u, err := url.Parse(urlStr)
	if err != nil {
		return err
	}
	proxy, err := proxyFor(d, u)
	if err != nil {
		return err
	}
	plain := plainDial(d)
	if u.Scheme != "wss" {
		d.NetDialContext = guarded(guard, plain)
		return nil
	}
	secure := dialFunc(d.NetDialTLSContext)
	if secure == nil {
		secure = tlsDial(connectDial(plain, proxy), d.TLSClientConfig)
		d.Proxy = nil // it has been passed
	}
	d.NetDialTLSContext = guarded(guard, secure)
	return nil
}

func proxyFor(d *websocket.Dialer, u *url.URL) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil
	}
	target := *u
	target.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	proxy, err := d.Proxy(&http.Request{Method: http.MethodGet, URL: &target, Host: u.Host, Header: http.Header{}})
	if err != nil || proxy == nil {
		return nil, err
	}
	if proxy.Scheme != "http" {
		return nil, fmt.Errorf("closeguard: gorilla.Dial: a proxy with scheme %q can't be guarded, only http", proxy.Scheme)
	}
	return proxy, nil
}

func plainDial(d *websocket.Dialer) dialFunc {
	switch {
	case d.NetDialContext != nil:
		return d.NetDialContext
	case d.NetDial != nil:
		dial := d.NetDial
		return func(_ context.Context, network, addr string) (net.Conn, error) { return dial(network, addr) }
	default:
		return new(net.Dialer).DialContext
	}
}

func guarded(guard *closeguard.Guard, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c, err := guard.Driver().WrapHandshake(nc)
		if err != nil {
			nc.Close()
			return nil, err
		}
		return c, nil
	}
}

func tlsDial(dial dialFunc, config *tls.Config) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		cfg := config.Clone()
		if cfg == nil {
			cfg = new(tls.Config)
		}
		if cfg.ServerName == "" {
			cfg.ServerName, _, _ = net.SplitHostPort(addr)
		}
		trace := httptrace.ContextClientTrace(ctx)
		if trace != nil && trace.TLSHandshakeStart != nil {
			trace.TLSHandshakeStart()
		}
		tc := tls.Client(nc, cfg)
		err = tc.HandshakeContext(ctx)
		if trace != nil && trace.TLSHandshakeDone != nil {
			trace.TLSHandshakeDone(tc.ConnectionState(), err)
		}
		if err != nil {
			nc.Close()
			return nil, err
		}
		return tc, nil
	}
}

// connectDial dials through an HTTP proxy; with none it is dial.
func connectDial(dial dialFunc, proxy *url.URL) dialFunc {
	if proxy == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host := proxy.Host
		if proxy.Port() == "" {
			host = net.JoinHostPort(proxy.Hostname(), "80")
		}
		nc, err := dial(ctx, network, host)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it is a wish
		err = connect(nc, proxy, addr)
		if !stop() && err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("closeguard: gorilla.Dial: proxy %s: %w", proxy.Host, err)
		}
		return nc, nil
	}
}

func connect(nc net.Conn, proxy *url.URL, addr string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	if err := req.Write(nc); err != nil {
		return err
	}
	// Nothing can be lost in this buffer: the server waits for our TLS.
	resp, err := http.ReadResponse(bufio.NewReader(nc), req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("CONNECT was answered with %s", resp.Status)
	}
	return nil
}
