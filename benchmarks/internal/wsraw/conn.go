// Package wsraw is a WebSocket client that costs as little as possible: it
// sends frames that were made before and counts what comes back.
package wsraw

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// Conn is an open connection. What it reads first may have come with the
// answer to the upgrade.
type Conn struct {
	net.Conn
	Deflate bool // permessage-deflate was agreed on
	rest    []byte
}

const request = "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"

const offer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

// dialTimeout bounds everything up to the end of the upgrade.
const dialTimeout = 20 * time.Second

// Dial opens a connection to a ws or wss URL; certificates are not checked.
// Closing it resets TCP, so that no load leaves TIME_WAIT behind.
func Dial(rawURL string, deflate bool) (*Conn, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	nc, err := net.DialTimeout("tcp", u.Host, dialTimeout)
	if err != nil {
		return nil, err
	}
	nc.(*net.TCPConn).SetLinger(0) //nolint:errcheck // then it leaves TIME_WAIT
	if u.Scheme == "wss" {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // it is our own server
	}
	c := &Conn{Conn: nc}
	if err := c.upgrade(u, deflate); err != nil {
		nc.Close()
		return nil, fmt.Errorf("upgrade of %s: %w", rawURL, err)
	}
	return c, nil
}

func (c *Conn) upgrade(u *url.URL, deflate bool) error {
	c.SetDeadline(time.Now().Add(dialTimeout)) //nolint:errcheck // Read tells
	header := ""
	if deflate {
		header = offer
	}
	if _, err := fmt.Fprintf(c.Conn, request, u.RequestURI(), u.Host, header); err != nil {
		return err
	}
	var head []byte
	for buf := make([]byte, 1024); ; {
		n, err := c.Conn.Read(buf)
		if err != nil {
			return err
		}
		head = append(head, buf[:n]...)
		if before, after, ok := bytes.Cut(head, []byte("\r\n\r\n")); ok {
			head, c.rest = before, after
			break
		}
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("answer %q", head)
	}
	c.Deflate = bytes.Contains(bytes.ToLower(head), []byte("permessage-deflate"))
	if c.Deflate != deflate {
		return fmt.Errorf("compression was asked for %t, agreed on %t", deflate, c.Deflate)
	}
	return c.SetDeadline(time.Time{})
}

// Read reads what the server sent.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

var _ io.Reader = (*Conn)(nil)
