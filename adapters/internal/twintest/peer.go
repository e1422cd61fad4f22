package twintest

import (
	"encoding/binary"
	"errors"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A Peer is a client of gorilla's, which answers a Close if it reads, and
// whose TCP connection a test can write to.
type Peer struct {
	*websocket.Conn
	t testing.TB
}

// Dial connects a peer.
func (s *Server) Dial(t testing.TB) *Peer {
	t.Helper()
	ws, _, err := s.Dialer.Dial(s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.Close() })
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &Peer{ws, t}
}

// Frame is a client's frame with the mask 0. The first byte has the opcode,
// 0x80 on a final frame and 0x40 on a compressed one.
func Frame(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n > 65535:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	case n > 125:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = append(b, 0x80|byte(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// ClosePayload is the payload of a Close, legal or not.
func ClosePayload(code int, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// Send writes frames in one piece.
func (p *Peer) Send(frames ...[]byte) {
	var b []byte
	for _, f := range frames {
		b = append(b, f...)
	}
	if _, err := p.UnderlyingConn().Write(b); err != nil {
		p.t.Error(err)
	}
}

// FIN ends the peer's direction of TCP.
func (p *Peer) FIN() { p.UnderlyingConn().(interface{ CloseWrite() error }).CloseWrite() }

// Reset ends TCP with a reset.
func (p *Peer) Reset() {
	p.UnderlyingConn().(interface{ SetLinger(int) error }).SetLinger(0)
	p.Close()
}

// Silent makes the peer leave a Close unanswered. It goes before the first read.
func (p *Peer) Silent() { p.SetCloseHandler(func(int, string) error { return nil }) }

// Expect reads a message.
func (p *Peer) Expect(want string) {
	p.t.Helper()
	if _, got, err := p.ReadMessage(); err != nil || string(got) != want {
		p.t.Errorf("the peer read %q, %v; want %q", got, err, want)
	}
}

// End reads, and answers a Close, until the connection ends: `1000 "bye"`, "EOF", "reset".
func (p *Peer) End() string {
	for {
		_, message, err := p.ReadMessage()
		var ce *websocket.CloseError
		switch {
		case err == nil:
			p.t.Errorf("the peer read %q, want the end", message)
		case errors.As(err, &ce) && ce.Code == websocket.CloseAbnormalClosure:
			return "EOF"
		case errors.As(err, &ce) && ce.Text != "":
			return strconv.Itoa(ce.Code) + " " + strconv.Quote(ce.Text)
		case errors.As(err, &ce):
			return strconv.Itoa(ce.Code)
		case errors.Is(err, syscall.ECONNRESET):
			return "reset"
		default:
			return err.Error()
		}
	}
}
