package hostile

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
)

// A peer is the hostile end of one connection. One goroutine acts, another one
// reads and reacts.
type peer struct {
	script *script
	tcp    *net.TCPConn
	conn   net.Conn // the same, or TLS over it

	writing sync.Mutex

	mu        sync.Mutex
	in, out   record.Stream
	deaf      chan struct{} // closed when it shall hear again; nil: it hears
	everDeaf  bool
	answers   bool // when the last byte of its Close was due it had read the server's
	failed    bool // a Write has: what the kernel told it, it tells no Read
	end       error
	closeRead chan struct{} // closed when the server's Close was read
	heard     chan struct{} // one is in it for what came since somebody looked
	gone      time.Time
	over      chan struct{} // closed when nothing more is read
}

// writeTime is how long a peer waits for a server that doesn't read.
const writeTime = 700 * time.Millisecond

// connect opens TCP, and TLS if the script says so.
func connect(s *script, addr string) (*peer, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	p := &peer{
		script: s, tcp: conn.(*net.TCPConn), conn: conn,
		closeRead: make(chan struct{}), heard: make(chan struct{}, 1), over: make(chan struct{}),
	}
	p.in.Control = p.react
	if s.secure && !s.open.bare {
		over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		conn.SetDeadline(time.Now().Add(patience))
		if err := over.Handshake(); err != nil {
			conn.Close()
			return nil, err
		}
		conn.SetDeadline(time.Time{})
		p.conn = over
	}
	return p, nil
}

// listen reads to the end.
func (p *peer) listen() {
	defer close(p.over)
	buf := make([]byte, 32<<10)
	for {
		p.mu.Lock()
		deaf := p.deaf
		p.mu.Unlock()
		if deaf != nil {
			<-deaf
		}
		began := time.Now()
		n, err := p.conn.Read(buf)
		p.mu.Lock()
		had := p.in.Close
		p.in.Take(buf[:n], began, time.Now())
		reply := had == nil && p.in.Close != nil
		p.end = err
		p.mu.Unlock()
		select {
		case p.heard <- struct{}{}:
		default:
		}
		if reply {
			close(p.closeRead)
			if p.script.answer.do != nil {
				p.script.answer.do(p)
			}
		}
		if err != nil {
			return
		}
	}
}

// react answers pings; listen has mu.
func (p *peer) react(f rawpeer.Frame) {
	if f.Opcode == rawpeer.OpPing && p.script.pongs {
		p.mu.Unlock()
		p.write(p.encode(rawpeer.Frame{Fin: true, Opcode: rawpeer.OpPong, Payload: f.Payload}))
		p.mu.Lock()
	}
}

func (p *peer) encode(frames ...rawpeer.Frame) (b []byte) {
	for _, f := range frames {
		b = f.Append(b, [4]byte{byte(len(f.Payload)), 2, 3, 4})
	}
	return b
}

// write writes bytes as they are, and reports whether the server took them.
// Whether a Close in them is an answer the peer knows best.
func (p *peer) write(b []byte) bool {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	answers := p.in.Close != nil
	p.mu.Unlock()
	p.conn.SetWriteDeadline(time.Now().Add(writeTime))
	began := time.Now()
	n, err := p.conn.Write(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	had := p.out.Close != nil
	p.out.Take(b[:n], began, time.Now())
	p.failed = p.failed || err != nil
	if !had && p.out.Close != nil {
		p.answers = answers
	}
	return err == nil
}

// close writes a Close, in so many pieces, with something behind it.
func (p *peer) close(f rawpeer.Frame, pieces int, behind []byte) bool {
	b := p.encode(f)
	for ; pieces > 1 && len(b) > 1; pieces-- {
		n := min(max(1, len(b)/pieces), len(b)-1)
		if !p.write(b[:n]) {
			return false
		}
		b = b[n:]
		<-time.After(2 * time.Millisecond) // a segment of its own
	}
	return p.write(append(b, behind...))
}

// stopHearing lets the peer read no more, hearAgain lets it.
func (p *peer) stopHearing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf == nil {
		p.deaf = make(chan struct{})
	}
	p.everDeaf = true
}

func (p *peer) hearAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf != nil {
		close(p.deaf)
		p.deaf = nil
	}
}

// await waits until something has happened, or is due.
func (p *peer) await(happened <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-happened:
	case <-p.over:
	case <-t.C:
	}
}

// live opens, acts, waits and goes.
func (p *peer) live() {
	var reading sync.WaitGroup
	reading.Go(p.listen)
	if p.script.open.do(p) {
		for _, a := range p.script.acts {
			if !a.do(p) {
				break
			}
		}
		p.await(nil, p.script.stays)
	}
	p.script.goes.do(p)
	p.tcp.Close()
	p.mu.Lock()
	p.gone = time.Now()
	p.mu.Unlock()
	p.hearAgain()
	reading.Wait()
}

// misfits holds an event against what the peer read and wrote.
func (p *peer) misfits(ev closeguard.CloseEvent) (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	end := ev.End()
	got, want := record.CloseText(p.in.Close), record.FrameText(end.Sent)
	if got != want && (p.in.Close != nil || p.in.Begun && errors.Is(p.end, io.EOF) && !p.failed) {
		all = append(all, "the peer read "+got+" up to "+errText(p.end)+", sent is "+want)
	}
	if p.in.After > 0 {
		all = append(all, "the peer read bytes behind the server's Close")
	}
	if f := end.Received; f != nil {
		if record.FrameText(f) != record.CloseText(p.out.Close) {
			all = append(all, "received is "+record.FrameText(f)+", the peer wrote "+record.CloseText(p.out.Close))
		}
		if record.KindOf(ev) == "local closed" && end.Sent.Code >= peersCodes {
			all = append(all, "it is local closed, and ours only answered")
		}
		if p.answers && record.KindOf(ev) == "peer closed" {
			all = append(all, "it is peer closed, and the peer only answered")
		}
	}
	return all
}

func errText(err error) string {
	if err == nil {
		return "no end"
	}
	return err.Error()
}

// answered reports whether the peer's Close is an answer for certain.
func (p *peer) answered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answers
}

// left is when the peer had gone.
func (p *peer) left() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}
