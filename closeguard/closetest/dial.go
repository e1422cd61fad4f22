package closetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Dial connects over TCP to a server at a ws or http URL and does the opening handshake
// as a client. The header, which may be nil, goes with the request. The ctx is for
// connecting and for the handshake. For TLS, or a [Listener], use [Upgrade] on a
// connection of your own.
func Dial(ctx context.Context, rawURL string, header http.Header) (*Peer, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ws" && u.Scheme != "http" {
		return nil, fmt.Errorf("closetest: Dial: scheme %q is not ws or http; Upgrade takes any connection", u.Scheme)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "80")
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return Upgrade(ctx, nc, rawURL, header)
}

// Upgrade does the opening handshake on nc as a client, for the URL's host and path. An
// answer other than 101 is an error. On any error nc is closed.
func Upgrade(ctx context.Context, nc net.Conn, rawURL string, header http.Header) (*Peer, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		nc.Close()
		return nil, err
	}
	p := NewPeer(nc, closeguard.Client)
	if err := handshake(ctx, nc, func() error { return p.request(u, header) }); err != nil {
		return nil, fmt.Errorf("closetest: opening handshake with %s: %w", rawURL, err)
	}
	return p, nil
}

// Accept does the opening handshake on nc as a server, whatever the request's path is,
// and without an extension. On error nc is closed.
func Accept(ctx context.Context, nc net.Conn) (*Peer, error) {
	p := NewPeer(nc, closeguard.Server)
	if err := handshake(ctx, nc, p.answer); err != nil {
		return nil, fmt.Errorf("closetest: opening handshake as a server: %w", err)
	}
	return p, nil
}

// handshake runs one until ctx is done.
func handshake(ctx context.Context, nc net.Conn, do func() error) error {
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // do's error tells
	err := do()
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		nc.Close()
	}
	return err
}

func (p *Peer) request(u *url.URL, header http.Header) error {
	nonce := make([]byte, 16)
	rand.Read(nonce) // it never fails
	key := base64.StdEncoding.EncodeToString(nonce)
	head := http.Header{
		"Upgrade":               {"websocket"},
		"Connection":            {"Upgrade"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {key},
	}
	for name, values := range header {
		head[name] = values
	}
	target := *u
	target.Scheme = "http" // ws to net/http
	request := &http.Request{Method: http.MethodGet, URL: &target, Host: u.Host, Header: head}
	if err := request.Write(p.conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(p.in, request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the server answered %s, not 101", response.Status)
	}
	if got, want := response.Header.Get("Sec-Websocket-Accept"), acceptKey(key); got != want {
		return fmt.Errorf("the server's Sec-WebSocket-Accept is %q, not %q", got, want)
	}
	response.Body = http.NoBody
	p.Response = response
	return nil
}

func (p *Peer) answer() error {
	request, err := http.ReadRequest(p.in)
	if err != nil {
		return err
	}
	key := request.Header.Get("Sec-Websocket-Key")
	if key == "" {
		return fmt.Errorf("the request for %s has no Sec-WebSocket-Key", request.URL)
	}
	p.Request = request
	out := bufio.NewWriter(p.conn)
	fmt.Fprintf(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", acceptKey(key)) //nolint:errcheck // reading tells
	return out.Flush()
}

// acceptKey is the proof of RFC 6455 section 4.2.2 that the server understood.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
