package differential

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	xnet "golang.org/x/net/websocket"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// The libraries, all as plain code.
const (
	gorillaLibrary = "gorilla"
	coderLibrary   = "coder"
	xnetLibrary    = "x/net"
	ownLibrary     = "own" // a few lines that read through the hijacked bufio.Reader
)

// A socket is an open connection of a library's.
type socket interface {
	Read(ctx context.Context) (message string, err error)
	ReadDeadline(time.Time) (message string, err error) // as the library does it: a deadline or a context
	Write(text bool, message []byte) error
	CloseWith(code int, reason string) error
	WriteClose(code int, reason string) error // where that is something else
	Close() error
	SetReadLimit(int64)
}

// Messages are told by kind, length and content.
func message(kind int, p []byte) string {
	return rawpeer.Frame{Fin: true, Opcode: byte(kind), Payload: p}.String() + fmt.Sprintf(" %08x", sha1.Sum(p))[:9]
}

type gorillaSocket struct{ *gorilla.Conn }

func (s gorillaSocket) Read(context.Context) (string, error) {
	kind, p, err := s.ReadMessage()
	if err != nil {
		return "", err
	}
	return message(kind, p), nil
}

func (s gorillaSocket) ReadDeadline(t time.Time) (string, error) {
	s.SetReadDeadline(t)
	defer s.SetReadDeadline(time.Time{})
	return s.Read(context.Background())
}

func (s gorillaSocket) Write(text bool, p []byte) error {
	if text {
		return s.WriteMessage(gorilla.TextMessage, p)
	}
	return s.WriteMessage(gorilla.BinaryMessage, p)
}

func (s gorillaSocket) CloseWith(code int, reason string) error {
	return s.WriteControl(gorilla.CloseMessage, rawpeer.Close(code, reason).Payload, time.Now().Add(10*time.Second))
}

func (s gorillaSocket) WriteClose(code int, reason string) error {
	return s.WriteMessage(gorilla.CloseMessage, rawpeer.Close(code, reason).Payload)
}

type coderSocket struct{ *coder.Conn }

func (s coderSocket) Read(ctx context.Context) (string, error) {
	kind, p, err := s.Conn.Read(ctx)
	if err != nil {
		return "", err
	}
	return message(int(kind), p), nil
}

func (s coderSocket) ReadDeadline(t time.Time) (string, error) {
	ctx, cancel := context.WithDeadline(context.Background(), t)
	defer cancel()
	return s.Read(ctx)
}

func (s coderSocket) Write(text bool, p []byte) error {
	kind := coder.MessageBinary
	if text {
		kind = coder.MessageText
	}
	return s.Conn.Write(context.Background(), kind, p)
}

func (s coderSocket) CloseWith(code int, reason string) error {
	return s.Conn.Close(coder.StatusCode(code), reason)
}
func (s coderSocket) WriteClose(code int, reason string) error { return s.CloseWith(code, reason) }
func (s coderSocket) Close() error                             { return s.CloseNow() }

type xnetSocket struct{ *xnet.Conn }

func (s xnetSocket) Read(context.Context) (string, error) {
	var p []byte
	if err := xnet.Message.Receive(s.Conn, &p); err != nil {
		return "", err
	}
	return message(int(s.PayloadType), p), nil
}

func (s xnetSocket) ReadDeadline(t time.Time) (string, error) {
	s.SetReadDeadline(t)
	defer s.SetReadDeadline(time.Time{})
	return s.Read(context.Background())
}

func (s xnetSocket) Write(text bool, p []byte) error {
	if text {
		return xnet.Message.Send(s.Conn, string(p))
	}
	return xnet.Message.Send(s.Conn, p)
}

// x/net sends no reasons.
func (s xnetSocket) CloseWith(code int, _ string) error  { return s.Conn.WriteClose(code) }
func (s xnetSocket) WriteClose(code int, _ string) error { return s.Conn.WriteClose(code) }
func (s xnetSocket) SetReadLimit(n int64)                { s.MaxPayloadBytes = int(n) }

// ownSocket does as little as a library can: it answers no Close and no ping,
// and reads through what Hijack returned, whose errors it hands on.
type ownSocket struct {
	net.Conn
	buffered *bufio.Reader
	limit    int64
}

// errOwnClose is what ownSocket returns for a Close of the peer's.
type errOwnClose struct{ frame rawpeer.Frame }

func (e *errOwnClose) Error() string { return "own: " + e.frame.String() }

var errOwnLimit = errors.New("own: the message is too long")

func ownUpgrade(w http.ResponseWriter, r *http.Request) (*ownSocket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "no key", http.StatusBadRequest)
		return nil, errors.New("own: no key")
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no hijacker", http.StatusInternalServerError)
		return nil, err
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	if err := rw.Flush(); err != nil {
		conn.Close()
		return nil, err
	}
	return &ownSocket{Conn: conn, buffered: rw.Reader}, nil
}

// Read returns the next frame that is no ping and no pong.
func (s *ownSocket) Read(context.Context) (string, error) {
	for {
		f, err := s.frame()
		switch {
		case err != nil:
			return "", err
		case f.Opcode == rawpeer.OpClose:
			return "", &errOwnClose{f}
		case f.Opcode < rawpeer.OpClose:
			return f.String() + message(int(f.Opcode), f.Payload), nil
		}
	}
}

func (s *ownSocket) frame() (rawpeer.Frame, error) {
	var wire []byte
	more := func(n int) error {
		at := len(wire)
		wire = append(wire, make([]byte, n)...)
		_, err := io.ReadFull(s.buffered, wire[at:])
		return err
	}
	if err := more(2); err != nil {
		return rawpeer.Frame{}, err
	}
	length := int64(wire[1] & 0x7f)
	masked := wire[1]&0x80 != 0
	switch length {
	case 126:
		if err := more(2); err != nil {
			return rawpeer.Frame{}, err
		}
		length = int64(binary.BigEndian.Uint16(wire[2:]))
	case 127:
		if err := more(8); err != nil {
			return rawpeer.Frame{}, err
		}
		length = int64(binary.BigEndian.Uint64(wire[2:]))
	}
	limit := int64(1 << 20)
	if s.limit > 0 {
		limit = s.limit
	}
	if length < 0 || length > limit {
		return rawpeer.Frame{}, errOwnLimit
	}
	if masked {
		length += 4
	}
	if err := more(int(length)); err != nil {
		return rawpeer.Frame{}, err
	}
	f, _ := rawpeer.Parse(wire)
	return f, nil
}

func (s *ownSocket) ReadDeadline(t time.Time) (string, error) {
	s.SetReadDeadline(t)
	defer s.SetReadDeadline(time.Time{})
	return s.Read(context.Background())
}

func (s *ownSocket) Write(text bool, p []byte) error {
	f := rawpeer.Frame{Fin: true, Opcode: rawpeer.OpBinary, Payload: p, Bare: true}
	if text {
		f.Opcode = rawpeer.OpText
	}
	return s.send(f)
}

func (s *ownSocket) send(f rawpeer.Frame) error {
	f.Bare = true
	_, err := s.Conn.Write(f.Append(nil, [4]byte{}))
	return err
}

func (s *ownSocket) CloseWith(code int, reason string) error {
	return s.send(rawpeer.Close(code, reason))
}
func (s *ownSocket) WriteClose(code int, reason string) error { return s.CloseWith(code, reason) }
func (s *ownSocket) SetReadLimit(n int64)                     { s.limit = n }
