package closetest

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/closeguard/ws/closeguard"
)

// A Peer is the other side of a WebSocket connection that does what a test says and
// nothing else: it answers no Ping and no Close by itself and keeps no rule. It has
// frames of its own and shares no code with what is tested.
//
// One goroutine may read while another one writes. Methods block as long as the
// connection lets them: NetConn has deadlines.
type Peer struct {
	// Response is the head of the server's 101, without a body. It is nil for a peer that
	// is the server or that did no opening handshake.
	Response *http.Response

	// Request is the client's request. It is nil but after Accept.
	Request *http.Request

	conn  net.Conn
	in    *bufio.Reader
	role  closeguard.Role
	piece int // the most bytes that one Write of the connection takes; 0: any number
	seen  Seen
	began atomic.Bool // a well-framed Close was written
}

// NewPeer returns a peer with that role on a connection whose opening handshake is over,
// or needs none: the other end of a [Pipe] below [closeguard.Guard.WrapConn], say.
func NewPeer(nc net.Conn, role closeguard.Role) *Peer {
	return &Peer{conn: nc, in: bufio.NewReader(nc), role: role}
}

// NetConn returns the connection that the peer is on, for its deadlines and options.
func (p *Peer) NetConn() net.Conn { return p.conn }

// WriteFrame writes frames, all of them in one Write of the connection.
func (p *Peer) WriteFrame(frames ...Frame) error {
	var b []byte
	for _, f := range frames {
		b = f.append(b, p.role)
		if f.Opcode == OpClose && !f.More && len(f.Payload) <= 125 {
			p.began.Store(true)
		}
	}
	return p.WriteBytes(b)
}

// WriteText writes a whole text message.
func (p *Peer) WriteText(s string) error { return p.WriteFrame(text(s)) }

// WriteClose writes a Close frame with these very 16 bits of code and this reason, legal
// or not. For a Close without a code write a Frame with the opcode OpClose and no
// payload.
func (p *Peer) WriteClose(code closeguard.Code, reason string) error {
	return p.WriteFrame(closing(code, reason))
}

// WriteBytes writes b as it is.
func (p *Peer) WriteBytes(b []byte) error {
	for p.piece > 0 && len(b) > p.piece {
		if _, err := p.conn.Write(b[:p.piece]); err != nil {
			return err
		}
		b = b[p.piece:]
	}
	_, err := p.conn.Write(b)
	return err
}

// ReadFrame reads the next frame, unmasked. The error is io.EOF at the end between two
// frames, io.ErrUnexpectedEOF inside one, and else the connection's.
func (p *Peer) ReadFrame() (Frame, error) {
	f, err := readFrame(p.in, p.other())
	if err != nil {
		p.seen.End = err
		return f, err
	}
	p.seen.note(f)
	return f, nil
}

// ReadClose reads up to the first Close frame, passing over what comes before it, and
// returns what it says. Of an illegal one the error is a *closeguard.FrameError; else it
// is ReadFrame's.
func (p *Peer) ReadClose() (closeguard.CloseFrame, error) {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return closeguard.CloseFrame{}, err
		}
		if f.Opcode == OpClose {
			return closeguard.ParseCloseFrame(f.Payload)
		}
	}
}

// ReadToEnd reads until the connection ends or a deadline passes, answers nothing, and
// returns what the peer has seen.
func (p *Peer) ReadToEnd() Seen {
	for {
		if _, err := p.ReadFrame(); err != nil {
			return p.seen
		}
	}
}

// Seen returns what the peer has seen so far. It belongs to the goroutine that reads.
func (p *Peer) Seen() Seen { return p.seen }

// Close closes TCP without a Close frame: the program sees a FIN, or a reset if the peer
// has not read all that came.
func (p *Peer) Close() error { return p.conn.Close() }

// CloseWrite ends the peer's direction with a FIN; what the program sends can still be read.
func (p *Peer) CloseWrite() error {
	c, ok := p.conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("closetest: the connection has no CloseWrite")
	}
	return c.CloseWrite()
}

// Reset ends the connection with a reset (TCP's RST).
func (p *Peer) Reset() error {
	c, ok := p.conn.(interface{ SetLinger(sec int) error })
	if !ok {
		return errors.New("closetest: the connection has no SetLinger, which a reset needs")
	}
	if err := c.SetLinger(0); err != nil {
		return err
	}
	return p.conn.Close()
}

// other is the role of the endpoint under test.
func (p *Peer) other() closeguard.Role {
	if p.role == closeguard.Client {
		return closeguard.Server
	}
	return closeguard.Client
}
