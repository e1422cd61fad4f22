package rawpeer

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Accept makes a Peer of a connection that a client has dialled, over TCP or
// TLS: the other side of one that Dial makes, with the same methods. It reads
// the upgrade request and answers 101. Of the options Header adds a field to
// the answer, Early sends frames in the same write, and Split and Wait mean
// what they mean to Dial. Frames are not masked unless they are Bare, which is
// then as wrong as it is in a client.
func Accept(tb testing.TB, conn net.Conn, opts ...Option) (*Peer, error) {
	p := &Peer{wait: 10 * time.Second, conn: conn}
	for _, opt := range opts {
		opt(p)
	}
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	p.TCP = conn.(*net.TCPConn)
	tb.Cleanup(func() { p.TCP.Close() })
	if err := p.readHead(); err != nil {
		return nil, err
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p.Head)))
	if err != nil {
		return nil, err
	}
	p.Request = request
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := strings.Join(append([]string{
		"HTTP/1.1 101 Switching Protocols",
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]),
	}, p.header...), "\r\n") + "\r\n\r\n"
	return p, p.WriteBytes(p.encode([]byte(answer), p.early))
}
