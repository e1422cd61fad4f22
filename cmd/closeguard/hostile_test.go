package main

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// serve runs a server of raw connections until the test ends.
func serve(t *testing.T, each func(ctx context.Context, nc net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { nc.Close() })
			serving.Go(func() {
				defer stop()
				defer nc.Close()
				each(ctx, nc)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		listener.Close()
		serving.Wait()
	})
	return "ws://" + listener.Addr().String() + "/"
}

// polite answers Pings and Closes, and then ends TCP.
func polite(ctx context.Context, nc net.Conn) {
	if p, err := closetest.Accept(ctx, nc); err == nil {
		closetest.Polite.Do(ctx, p)
	}
}

func sayGoodbye(ctx context.Context, nc net.Conn) {
	if p, err := closetest.Accept(ctx, nc); err == nil {
		p.WriteClose(closeguard.ServiceRestart, "bye")
		p.ReadClose()
	}
}

// opened is a server that opens properly and then does something else.
func opened(do func(ctx context.Context, p *closetest.Peer)) func(context.Context, net.Conn) {
	return func(ctx context.Context, nc net.Conn) {
		if p, err := closetest.Accept(ctx, nc); err == nil {
			do(ctx, p)
		}
	}
}

// floods writes the same without end.
func floods(b []byte) func(context.Context, net.Conn) {
	return opened(func(_ context.Context, p *closetest.Peer) {
		go p.ReadToEnd()
		for p.WriteBytes(b) == nil {
		}
	})
}

// hostiles are servers that no client gets on with.
var hostiles = map[string]func(ctx context.Context, nc net.Conn){
	"hangs before the opening": func(ctx context.Context, _ net.Conn) { <-ctx.Done() },
	"hangs in the opening": func(ctx context.Context, nc net.Conn) {
		nc.Write([]byte("HTTP/1.1 101 Switching"))
		<-ctx.Done()
	},
	"hangs after the opening": opened(func(ctx context.Context, _ *closetest.Peer) { <-ctx.Done() }),
	"reads and says nothing":  opened(func(_ context.Context, p *closetest.Peer) { p.ReadToEnd() }),
	"closes at once":          func(context.Context, net.Conn) {},
	"closes after the opening": opened(func(context.Context, *closetest.Peer) {
	}),
	"floods the head": func(_ context.Context, nc net.Conn) {
		nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n"))
		for field := []byte("X: " + strings.Repeat("x", 1000) + "\r\n"); ; {
			if _, err := nc.Write(field); err != nil {
				return
			}
		}
	},
	"floods with messages": floods(append([]byte{0x82, 0x7e, 0xff, 0xff}, make([]byte, 0xffff)...)),
	"floods with pings":    floods([]byte(strings.Repeat("\x89\x00", 1000))),
	"floods with closes":   floods([]byte(strings.Repeat("\x88\x02\x03\xe8", 1000))),
	"floods with zeros":    floods(make([]byte, 4096)),
	"one endless message": opened(func(_ context.Context, p *closetest.Peer) {
		p.WriteBytes([]byte{0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		p.ReadToEnd()
	}),
	"says it is masked": opened(func(_ context.Context, p *closetest.Peer) {
		p.WriteFrame(closetest.Frame{Opcode: closetest.OpText, WrongMask: true})
		p.ReadToEnd()
	}),
	"lies about the key": func(_ context.Context, nc net.Conn) {
		nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"))
	},
	"answers another status": func(_ context.Context, nc net.Conn) { nc.Write([]byte("HTTP/1.1 418 \x1b[31mteapot\r\n\r\n")) },
	"echoes bytes": opened(func(_ context.Context, p *closetest.Peer) {
		b := make([]byte, 1000)
		for {
			n, err := p.NetConn().Read(b)
			if err != nil || p.WriteBytes(b[:n]) != nil {
				return
			}
		}
	}),
}

// Whatever a server does, the doctor ends in time, finds nothing good, and writes nothing
// that a terminal obeys.
func TestHostileServers(t *testing.T) {
	var running sync.WaitGroup
	for name, server := range hostiles {
		url := serve(t, server)
		running.Go(func() { endsInTime(t, name, url) })
	}
	running.Wait()
}

// A server whose connections are cut at random bytes of what it writes, with a FIN or a
// reset. Where it was whole is a matter of luck.
func TestCutServers(t *testing.T) {
	var running sync.WaitGroup
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 0))
		var mu sync.Mutex
		url := serve(t, func(ctx context.Context, nc net.Conn) {
			mu.Lock()
			cut := &cutConn{Conn: nc, left: random.IntN(140), reset: random.IntN(2) == 0} // the head has about 130
			mu.Unlock()
			polite(ctx, cut)
		})
		running.Go(func() { endsInTime(t, "cut", url) })
	}
	running.Wait()
}

// A cutConn ends after so many written bytes.
type cutConn struct {
	net.Conn
	left  int
	reset bool
}

func (c *cutConn) Write(b []byte) (int, error) {
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	c.Conn.Write(b[:c.left])
	if c.reset {
		c.Conn.(*net.TCPConn).SetLinger(0)
	}
	c.Conn.Close()
	return c.left, net.ErrClosed
}

func endsInTime(t *testing.T, name, url string) {
	const timeout = 500 * time.Millisecond
	began := time.Now()
	status, stdout, stderr := command(t, "doctor", "-timeout", timeout.String(), "-only", "echo/1000,echo/4000,ping/short,fragments,order/two-closes,rude/deaf,header/rsv1", url)
	if took := time.Since(began); took > timeout+10*time.Second { // it has 10 probes, and the machine may be busy
		t.Errorf("%s: it took %v", name, took)
	}
	if status != 1 && status != 2 {
		t.Errorf("%s: status %d:\n%s%s", name, status, stdout, stderr)
	}
	if strings.ContainsAny(stdout+stderr, "\x1b\r\x00") {
		t.Errorf("%s: it wrote %q", name, stdout+stderr)
	}
}
