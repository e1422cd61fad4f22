package client

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 section 4.2.2 asks for it
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
)

// headSize is how long the head of an answer may be.
const headSize = 64 << 10

// A StatusError is an answer other than 101.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the server answered HTTP %d %s, not 101", e.Status, http.StatusText(e.Status)))
}

func (e *Endpoint) open(ctx context.Context, c *Conn) error {
	if e.URL.Scheme == "wss" {
		if err := e.secure(ctx, c); err != nil {
			return err
		}
	}
	key := make([]byte, 16)
	rand.Read(key)
	nonce := base64.StdEncoding.EncodeToString(key)
	request, err := e.request(ctx, nonce)
	if err != nil {
		return err
	}
	if err := request.Write(c.conn); err != nil {
		return err
	}
	limited := &io.LimitedReader{R: c.conn, N: headSize}
	c.in = bufio.NewReader(limited)
	response, err := http.ReadResponse(c.in, request)
	if err != nil {
		return err
	}
	limited.N = 1<<63 - 1
	if err := e.accepts(response, nonce); err != nil {
		return err
	}
	if e.First != "" {
		_, err = c.conn.Write(Bytes(Text(e.First)))
	}
	return err
}

func (e *Endpoint) secure(ctx context.Context, c *Conn) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.TLS != nil {
		config = e.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = e.URL.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	over := tls.Client(c.tcp, config)
	if err := over.HandshakeContext(ctx); err != nil {
		return err
	}
	c.conn = over
	return nil
}

func (e *Endpoint) request(ctx context.Context, nonce string) (*http.Request, error) {
	target := *e.URL
	target.Scheme = "http" // as net/http calls it
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "closeguard-doctor")
	maps.Copy(request.Header, e.Header)
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
		request.Header.Del("Host")
	}
	request.Header.Set("Upgrade", "websocket")
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Sec-WebSocket-Version", "13")
	request.Header.Set("Sec-WebSocket-Key", nonce)
	if user := e.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	return request, nil
}

// accepts checks the answer as RFC 6455 section 4.1 has it.
func (e *Endpoint) accepts(response *http.Response, nonce string) error {
	if response.StatusCode != http.StatusSwitchingProtocols {
		return &StatusError{response.StatusCode}
	}
	sum := sha1.Sum([]byte(nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // as above
	got, want := response.Header.Get("Sec-WebSocket-Accept"), base64.StdEncoding.EncodeToString(sum[:])
	extension, subprotocol := response.Header.Get("Sec-WebSocket-Extensions"), response.Header.Get("Sec-WebSocket-Protocol")
	switch {
	case got != want:
		return fmt.Errorf("the server's Sec-WebSocket-Accept is %.40q, not %q", got, want)
	case extension != "":
		return fmt.Errorf("the server wants an extension that was not offered: %.40q", extension)
	case subprotocol != "" && !offers(e.Header.Get("Sec-WebSocket-Protocol"), subprotocol):
		return fmt.Errorf("the server chose a subprotocol that was not offered: %.40q", subprotocol)
	}
	return nil
}

func offers(offered, chosen string) bool {
	for name := range strings.SplitSeq(offered, ",") {
		if strings.TrimSpace(name) == chosen {
			return true
		}
	}
	return false
}
