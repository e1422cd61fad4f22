package scenario

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// patience is how long a peer waits for the other side.
const patience = time.Minute

// A peer is the other end of the connection under test: a client or a server
// that does what the row's steps say and nothing else, and writes down what
// comes. Its record is the oracle: the event is compared with it.
type peer struct {
	client bool
	conn   net.Conn
	tcp    *net.TCPConn

	wrote []byte // what was written behind the opening handshake
	rest  []byte // what came and is not yet a whole frame

	items   []string // what came: whole messages and control frames
	closes  []string // the Closes among them
	after   int      // how many items came behind the first Close
	message *frame   // fragments of a message that is not whole
	faults  []string // what breaks the RFC
	end     string   // FIN, RST, ..., "": the other side has not ended TCP

	act  func()        // tells the application to do its part
	over chan struct{} // closed when the guard has delivered the event
	stay bool          // a server that doesn't end TCP when both Closes are there
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func newPeer(client bool, conn net.Conn) *peer {
	p := &peer{client: client, conn: conn}
	if over, ok := conn.(*tls.Conn); ok {
		p.tcp = over.NetConn().(*net.TCPConn)
	} else {
		p.tcp = conn.(*net.TCPConn)
	}
	return p
}

const deflateOffer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// dial makes a client peer.
func dial(addr, path string, secure, deflate bool) (*peer, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	p := newPeer(true, conn)
	extensions := ""
	if deflate {
		extensions = "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
	}
	conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
		path, addr, addr, sampleKey, extensions)
	if err != nil {
		return p, err
	}
	var head string
	for end := -1; end < 0; {
		if !p.fill() {
			return p, fmt.Errorf("%s inside the head: %q", p.end, p.rest)
		}
		if end = strings.Index(string(p.rest), "\r\n\r\n"); end >= 0 {
			head, p.rest = string(p.rest[:end+4]), p.rest[end+4:]
		}
	}
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head)), nil)
	switch {
	case err != nil:
		return p, err
	case response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != acceptKey(sampleKey):
		return p, fmt.Errorf("the server's answer: %q", head)
	case deflate != (response.Header.Get("Sec-WebSocket-Extensions") != ""):
		return p, fmt.Errorf("offered deflate %t: %q", deflate, head)
	}
	return p, nil
}

// accept makes a server peer.
func accept(listener net.Listener, certificate *tls.Certificate) (*peer, error) {
	conn, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	p := newPeer(false, conn)
	conn.SetDeadline(time.Now().Add(patience))
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return p, err
	}
	extensions := ""
	if r.Header.Get("Sec-WebSocket-Extensions") != "" {
		extensions = "Sec-WebSocket-Extensions: " + deflateOffer + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
		acceptKey(r.Header.Get("Sec-WebSocket-Key")), extensions)
	return p, err
}

// A step is one thing that a peer does.
type step func(*peer)

// send writes frames in one write.
func send(frames ...frame) step {
	return func(p *peer) { p.write(encode(p.client, frames...)) }
}

// cut writes the frames but for their last n bytes.
func cut(n int, frames ...frame) step {
	return func(p *peer) {
		b := encode(p.client, frames...)
		p.write(b[:len(b)-n])
	}
}

// upTo writes the first n bytes of frames.
func upTo(n int, frames ...frame) step {
	return func(p *peer) { p.write(encode(p.client, frames...)[:n]) }
}

// slowly writes frames, every byte a write of its own.
func slowly(frames ...frame) step {
	return func(p *peer) {
		for _, b := range encode(p.client, frames...) {
			p.write([]byte{b})
		}
	}
}

// act makes the application do its part; the peer goes on at once.
func act(p *peer) { p.act() }

// read reads one message or control frame.
func read(p *peer) {
	p.deadline()
	for n := len(p.items); len(p.items) == n && p.fill(); {
	}
}

// readClose reads up to a Close.
func readClose(p *peer) {
	p.deadline()
	for len(p.closes) == 0 && p.fill() {
	}
}

// readEnd reads until the other side ends TCP.
func readEnd(p *peer) {
	p.deadline()
	for p.fill() {
	}
}

// deaf neither reads nor writes until the guard says that it is over.
func deaf(p *peer) {
	select {
	case <-p.over:
	case <-time.After(patience):
	}
}

// trickle sends a pong now and then, until the guard says that it is over.
func trickle(p *peer) {
	tick := time.NewTicker(shortIdle / 8)
	defer tick.Stop()
	for {
		select {
		case <-p.over:
			return
		case <-tick.C:
			p.write(encode(p.client, pong("")))
		}
	}
}

// flood sends messages until it can't, or the guard says that it is over.
func flood(p *peer) {
	message := encode(p.client, binaryOf(16<<10))
	for {
		select {
		case <-p.over:
			return
		default:
			p.write(message)
		}
	}
}

// readSome reads what there is, or waits for it.
func readSome(p *peer) {
	p.deadline()
	p.fill()
}

// fin ends the peer's direction; with TLS, close_notify goes before.
func fin(p *peer) {
	if over, ok := p.conn.(*tls.Conn); ok {
		over.CloseWrite()
	}
	p.tcp.CloseWrite()
}

// finBelow ends the peer's direction below TLS.
func finBelow(p *peer) { p.tcp.CloseWrite() }

// cutRecord ends it inside a TLS record.
func cutRecord(p *peer) {
	io.WriteString(p.tcp, "\x17\x03\x03\x00\x40half")
	p.tcp.CloseWrite()
}

// rst resets the connection: nothing can be read afterwards.
func rst(p *peer) {
	p.tcp.SetLinger(0)
	p.tcp.Close()
	p.end = "-"
}

// vanish closes both directions at once, and reads nothing any more.
func vanish(p *peer) {
	p.conn.Close()
	p.end = "-"
}

// stay keeps a server from ending TCP, which is its business once both Closes
// are there.
func stay(p *peer) { p.stay = true }

func (p *peer) deadline() { p.conn.SetReadDeadline(time.Now().Add(patience)) }

func (p *peer) write(b []byte) {
	p.conn.SetWriteDeadline(time.Now().Add(patience))
	n, _ := p.conn.Write(b) // the other side may have ended the connection, as some rows want it
	if len(p.wrote) < 8<<20 {
		p.wrote = append(p.wrote, b[:n]...)
	}
}

// closed returns the first well-framed Close that the peer wrote, and whether
// there was one.
func (p *peer) closed() (string, bool) {
	for b := p.wrote; ; {
		f, n := rawpeer.Parse(b)
		if n == 0 {
			return "", false
		}
		if f.Opcode == rawpeer.OpClose && f.Fin && f.RSV == 0 && f.Masked == p.client && len(f.Payload) < 126 {
			return closeText(f), true
		}
		b = b[n:]
	}
}

// fill reads what there is and takes it apart. It reports whether more can come.
func (p *peer) fill() bool {
	if p.end != "" {
		return false
	}
	buf := make([]byte, 64<<10)
	n, err := p.conn.Read(buf)
	p.rest = append(p.rest, buf[:n]...)
	if bytes.HasPrefix(p.rest, []byte("HTTP/")) {
		return err == nil
	}
	for {
		f, n := rawpeer.Parse(p.rest)
		if n == 0 {
			break
		}
		p.rest = p.rest[n:]
		p.take(f)
	}
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.end = "timeout"
	case errors.Is(err, io.EOF):
		p.end = "FIN"
	case errors.Is(err, io.ErrUnexpectedEOF):
		p.end = "FIN inside a TLS record"
	case errors.Is(err, syscall.ECONNRESET):
		p.end = "RST"
	default:
		p.end = err.Error()
	}
	return false
}

func (p *peer) take(f frame) {
	if f.Masked == p.client {
		p.faults = append(p.faults, fmt.Sprintf("%s is masked: %t", item(f), f.Masked))
	}
	if f.Padded {
		p.faults = append(p.faults, item(f)+" has a padded length")
	}
	if len(p.closes) > 0 {
		p.after++
	}
	if f.Opcode < rawpeer.OpClose {
		if p.message == nil {
			p.message = &frame{Opcode: f.Opcode, RSV: f.RSV}
		} else if f.Opcode != rawpeer.OpContinuation {
			p.faults = append(p.faults, item(f)+" inside a message")
		}
		p.message.Payload = append(p.message.Payload, f.Payload...)
		if !f.Fin {
			return
		}
		f, p.message = *p.message, nil
		f.Fin = true
		if f.RSV == 4 {
			f.RSV, f.Payload = 0, []byte(inflate(f.Payload))
		}
	}
	p.items = append(p.items, item(f))
	if f.Opcode == rawpeer.OpClose {
		p.closes = append(p.closes, closeText(f))
		if _, ours := p.closed(); ours && !p.client && !p.stay {
			fin(p)
		}
	}
}

// finish does what is left to do when the steps are done: read to the end, as
// a server after ending TCP itself if that is its turn.
func (p *peer) finish() {
	if _, ours := p.closed(); ours && !p.client && !p.stay && len(p.closes) > 0 {
		fin(p)
	}
	readEnd(p)
	if p.end == "FIN" && !p.stay {
		p.conn.Close() // nobody keeps half a connection
	}
}

// record is what the peer read and how TCP ended, as the table writes it.
func (p *peer) record() string {
	all := p.items
	if len(p.rest) > 0 || p.message != nil {
		all = append(all[:len(all):len(all)], "a part")
	}
	return strings.Join(append(all[:len(all):len(all)], p.end), "; ")
}
