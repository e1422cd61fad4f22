// Package rawpeer is a WebSocket client that does what a test says and
// nothing else: it answers no Ping and no Close, keeps no rule, and writes
// down what the server did. Its frame parser shares no code with the
// libraries under test.
package rawpeer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The sample key of RFC 6455 section 1.3 and the answer it must get.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// An End is how the server's direction of the TCP connection ended.
type End string

// The ways to end.
const (
	Open    End = ""    // not ended
	FIN     End = "FIN" // with or without TLS's close_notify before it
	CutTLS  End = "FIN inside a TLS record"
	RST     End = "RST"
	Timeout End = "timeout" // the server did nothing for as long as the peer waits
)

// An Option changes how Dial connects or what it asks for.
type Option func(*Peer)

// Header adds a field to the upgrade request.
func Header(name, value string) Option {
	return func(p *Peer) { p.header = append(p.header, name+": "+value) }
}

// Subprotocols offers subprotocols.
func Subprotocols(names ...string) Option {
	return Header("Sec-WebSocket-Protocol", strings.Join(names, ", "))
}

// Deflate offers permessage-deflate without parameters.
func Deflate() Option { return Header("Sec-WebSocket-Extensions", "permessage-deflate") }

// Early sends frames in the same write as the upgrade request.
func Early(frames ...Frame) Option { return func(p *Peer) { p.early = append(p.early, frames...) } }

// Split cuts everything the peer writes into pieces of at most n bytes, each
// a write of its own (and, over TLS, a record of its own).
func Split(n int) Option { return func(p *Peer) { p.split = n } }

// ZeroMask masks all frames with the key 0, which leaves the payload as it is.
func ZeroMask() Option { return func(p *Peer) { p.zeroMask = true } }

// ReadBuffer makes the TCP receive buffer small, for a peer that never reads.
func ReadBuffer(bytes int) Option { return func(p *Peer) { p.readBuffer = bytes } }

// Wait is how long Dial and each of the peer's methods wait; 10 seconds if not given.
func Wait(d time.Duration) Option { return func(p *Peer) { p.wait = d } }

// AnyStatus lets Dial succeed whatever the server answers to the upgrade
// request. After an answer other than 101, ReadUntilEnd leaves its body in
// Rest; without an answer Response is nil and Rest has what came instead.
func AnyStatus() Option { return func(p *Peer) { p.anyStatus = true } }

// A Peer is a connection to a WebSocket server. One goroutine may read and
// another write.
type Peer struct {
	Response *http.Response // Dial: head of the answer to the upgrade request, without its body
	Request  *http.Request  // Accept: head of the upgrade request
	Head     []byte         // the same, byte for byte
	TCP      *net.TCPConn   // also below TLS; for what the methods don't do

	// What the other side sent after Head, as far as it was read:
	// frames, how it ended, and the bytes that are not yet a whole frame.
	Frames []Frame
	End    End
	Rest   []byte

	conn       net.Conn // TCP or TLS over it
	header     []string
	early      []Frame
	split      int
	zeroMask   bool
	readBuffer int
	wait       time.Duration
	anyStatus  bool
}

// Dial connects to a ws or wss URL, accepting any certificate, and does the
// opening handshake. What goes wrong fails the test, so Dial must be called
// from the test's goroutine. The connection is closed when the test ends.
func Dial(tb testing.TB, rawURL string, opts ...Option) *Peer {
	tb.Helper()
	p, err := Connect(rawURL, opts...)
	tb.Cleanup(func() {
		if p.TCP != nil {
			p.TCP.Close()
		}
	})
	if err != nil {
		tb.Fatalf("rawpeer: %s: %v", rawURL, err)
	}
	return p
}

// Connect is Dial for a peer that may fail: nothing closes the connection by
// itself, and what goes wrong is the error. The peer has then what there is.
func Connect(rawURL string, opts ...Option) (*Peer, error) {
	p := &Peer{wait: 10 * time.Second}
	for _, opt := range opts {
		opt(p)
	}
	return p, p.dial(rawURL)
}

func (p *Peer) dial(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.wait)
	defer cancel()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if p.readBuffer > 0 {
			ctlErr := raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, p.readBuffer)
			})
			err = errors.Join(err, ctlErr)
		}
		return err
	}}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	p.conn, p.TCP = conn, conn.(*net.TCPConn)
	if u.Scheme == "wss" {
		over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		if err := over.HandshakeContext(ctx); err != nil {
			return err
		}
		p.conn = over
	}
	return p.upgrade(u)
}

func (p *Peer) upgrade(u *url.URL) error {
	request := strings.Join(append([]string{
		"GET " + u.RequestURI() + " HTTP/1.1",
		"Host: " + u.Host,
		"Upgrade: websocket",
		"Connection: Upgrade",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: " + key,
	}, p.header...), "\r\n") + "\r\n\r\n"
	if err := p.WriteBytes(p.encode([]byte(request), p.early)); err != nil {
		return err
	}
	err := p.readResponse()
	switch {
	case p.anyStatus && !p.upgraded():
		return nil
	case err != nil:
		return err
	case !p.upgraded():
		return fmt.Errorf("the server answered %q, not 101", p.Response.Status)
	}
	if got := p.Response.Header.Get("Sec-WebSocket-Accept"); got != accept {
		return fmt.Errorf("the server's Sec-WebSocket-Accept is %q, not %q", got, accept)
	}
	return nil
}

func (p *Peer) upgraded() bool {
	return p.Request != nil || p.Response != nil && p.Response.StatusCode == http.StatusSwitchingProtocols
}

func (p *Peer) readResponse() error {
	if err := p.readHead(); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(p.Head)), nil)
	if err != nil {
		return err
	}
	response.Body = http.NoBody
	p.Response = response
	return nil
}

func (p *Peer) readHead() error {
	end := []byte("\r\n\r\n")
	p.startWaiting()
	for !bytes.Contains(p.Rest, end) {
		if !p.fill() {
			return fmt.Errorf("%s inside the head: %q", p.End, p.Rest)
		}
	}
	n := bytes.Index(p.Rest, end) + len(end)
	p.Head, p.Rest = p.Rest[:n:n], p.Rest[n:]
	return nil
}

// Waits changes how long the peer's methods wait from now on: less than Dial,
// which needs its time, for a peer that shall come to the end of its own.
func (p *Peer) Waits(d time.Duration) { p.wait = d }

// Write sends frames in one write, masked with fresh keys. The error is that
// of the connection.
func (p *Peer) Write(frames ...Frame) error { return p.WriteBytes(p.encode(nil, frames)) }

// WriteBytes sends b as it is.
func (p *Peer) WriteBytes(b []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.wait)); err != nil {
		return err
	}
	for p.split > 0 && len(b) > p.split {
		if _, err := p.conn.Write(b[:p.split]); err != nil {
			return err
		}
		b = b[p.split:]
	}
	_, err := p.conn.Write(b)
	return err
}

func (p *Peer) encode(dst []byte, frames []Frame) []byte {
	for _, f := range frames {
		f.Bare = f.Bare != (p.Request != nil) // a server masks nothing, and Bare is what no client does
		var mask [4]byte
		if !p.zeroMask {
			rand.Read(mask[:])
		}
		dst = f.Append(dst, mask)
	}
	return dst
}

// ReadFrame returns the server's next frame and whether there was one. If not,
// End says why; after a Timeout the next call goes on waiting.
func (p *Peer) ReadFrame() (Frame, bool) {
	p.startWaiting()
	return p.readFrame()
}

// ReadUntilEnd reads all that comes until the server ends the connection, or
// until it has sent nothing more within the peer's time.
func (p *Peer) ReadUntilEnd() End {
	p.startWaiting()
	if !p.upgraded() {
		for p.fill() {
		}
		return p.End
	}
	for {
		if _, ok := p.readFrame(); !ok {
			return p.End
		}
	}
}

func (p *Peer) readFrame() (Frame, bool) {
	for {
		if f, n := parse(p.Rest); n > 0 {
			p.Rest = p.Rest[n:]
			p.Frames = append(p.Frames, f)
			return f, true
		}
		if !p.fill() {
			return Frame{}, false
		}
	}
}

// startWaiting starts the time of one reading method.
func (p *Peer) startWaiting() {
	_ = p.conn.SetReadDeadline(time.Now().Add(p.wait))
	if p.End == Timeout {
		p.End = Open
	}
}

// fill reads more bytes into Rest. It reports whether the connection is still
// open; if not, it has set End.
func (p *Peer) fill() bool {
	if p.End != Open {
		return false
	}
	buf := make([]byte, 64<<10)
	n, err := p.conn.Read(buf)
	p.Rest = append(p.Rest, buf[:n]...)
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.End = Timeout
	case errors.Is(err, io.EOF):
		p.End = FIN
	case errors.Is(err, io.ErrUnexpectedEOF):
		p.End = CutTLS
	case errors.Is(err, syscall.ECONNRESET):
		p.End = RST
	default:
		p.End = End(err.Error())
	}
	return false
}

// CloseWrite ends the peer's direction: TLS's close_notify, then FIN. For a
// FIN alone call TCP.CloseWrite.
func (p *Peer) CloseWrite() error {
	if over, ok := p.conn.(*tls.Conn); ok {
		if err := over.CloseWrite(); err != nil {
			return err
		}
	}
	return p.TCP.CloseWrite()
}

// Reset ends the connection with RST. Nothing can be read afterwards.
func (p *Peer) Reset() error {
	if err := p.TCP.SetLinger(0); err != nil {
		return err
	}
	return p.TCP.Close()
}
