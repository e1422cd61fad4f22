package coder

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/driver"
	"github.com/coder/websocket"
)

// Dial is the library's function of that name for a guarded connection. The
// opts are copied and stay as they are; nil means the defaults.
//
// The guard works on the body of the 101 and on the net.Conn that net/http
// tells of, so opts.HTTPClient's transport has to report it to
// httptrace.ClientTrace.GotConn, as http.Transport does; if it doesn't, Dial
// fails.
func Dial(ctx context.Context, guard *closeguard.Guard, urlStr string, opts *websocket.DialOptions) (*Conn, *http.Response, error) {
	if guard == nil {
		return nil, nil, driver.NilArgument("coder.Dial", "guard")
	}
	var o websocket.DialOptions
	if opts != nil {
		o = *opts
	}
	client := http.DefaultClient
	if o.HTTPClient != nil {
		client = o.HTTPClient
	}
	own := *client
	tap := &tap{next: client.Transport}
	own.Transport = tap
	o.HTTPClient = &own

	ws, resp, err := websocket.Dial(ctx, urlStr, &o)
	if err != nil {
		return nil, resp, err
	}
	guarded, err := tap.guard(guard)
	if err != nil {
		ws.CloseNow() // it never was in use
		return nil, resp, err
	}
	c := &Conn{Conn: ws, guard: guarded}
	collectable(ws)
	return c, resp, nil
}

// tap is the outermost RoundTripper of one Dial: it keeps the body of the 101,
// the net.Conn below it and what the two sides have agreed on.
type tap struct {
	next       http.RoundTripper
	conn       net.Conn
	body       *body
	extensions string
}

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { t.conn = i.Conn }}
	resp, err := next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		return resp, err
	}
	if rwc, ok := resp.Body.(io.ReadWriteCloser); ok {
		t.body = &body{rwc}
		resp.Body = t.body
	}
	t.extensions = strings.Join(resp.Header.Values("Sec-WebSocket-Extensions"), ",")
	return resp, nil
}

// guard puts the guard under the library, which has read nothing yet. Before,
// an answer that the library refuses was plain HTTP, into which no frame is
// written.
func (t *tap) guard(g *closeguard.Guard) (*closeguard.Conn, error) {
	if t.conn == nil || t.body == nil {
		return nil, errors.New("closeguard: coder.Dial: the HTTPClient's transport doesn't report its net.Conn to httptrace, so the connection can't be guarded")
	}
	c, err := g.WrapConn(&transport{Conn: t.conn, body: t.body.ReadWriteCloser}, closeguard.Client)
	if err != nil {
		return nil, err
	}
	c.Driver().StrictEOF()
	c.Driver().Extensions(t.extensions)
	t.body.ReadWriteCloser = c
	return c, nil
}

// body is the body of the 101: at first the transport's, then the guard's.
type body struct{ io.ReadWriteCloser }

// transport is the body of the 101 with the deadlines of the net.Conn below.
type transport struct {
	net.Conn
	body io.ReadWriteCloser
}

func (t *transport) Read(p []byte) (int, error)  { return t.body.Read(p) }
func (t *transport) Write(p []byte) (int, error) { return t.body.Write(p) }
func (t *transport) Close() error                { return t.body.Close() }

// NetConn returns the net.Conn below.
func (t *transport) NetConn() net.Conn { return t.Conn }
