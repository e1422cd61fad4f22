package differential

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// How the server's direction of TCP ended, for the peer.
const (
	stillOpen = "open"
	byFIN     = "FIN"
	byRST     = "RST"
	byItself  = "the peer ended it"
)

// A client is the peer's end of TCP. It writes what the script says; what the
// server sends, a goroutine writes down.
type client struct {
	tcp   *net.TCPConn
	pace  string
	idle  time.Duration // the guard's CloseIdle, which the peer knows
	reply bool          // to a Close, with the same

	mu       sync.Mutex
	received []byte
	frameAt  int    // behind the 101's head and the frames that were looked at, 0: no 101 yet
	end      string // "": not ended
	endedAt  time.Time
	over     chan struct{} // closed with end
	hasten   chan struct{} // closed when a slow or deaf peer shall read on

	writing sync.Mutex // held while the peer writes
	reset   bool       // a Write was told of the reset, which the kernel tells only once
}

func newClient(tcp *net.TCPConn, sc script, idle time.Duration) *client {
	c := &client{tcp: tcp, pace: sc.pace, reply: sc.replies(), idle: idle, over: make(chan struct{}), hasten: make(chan struct{})}
	go c.read()
	return c
}

// slice is what a slow peer takes at a time.
const slice = 64 << 10

// read reads until TCP ends. Once the connection is open, a peer that reads
// slowly takes a slice four times in CloseIdle, and one that never reads nothing.
func (c *client) read() {
	buf := make([]byte, 32<<10)
	taken := 0
	for {
		n, err := c.tcp.Read(buf)
		c.took(buf[:n])
		if err != nil {
			c.ended(err)
			return
		}
		if !c.opened() {
			continue
		}
		switch c.pace {
		case slow:
			if taken += n; taken > slice {
				taken = 0
				c.rest()
			}
		case never:
			<-c.hasten
		}
	}
}

// rest is how a slow peer spends its time.
func (c *client) rest() {
	t := time.NewTimer(c.idle / 4)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.hasten:
	}
}

func (c *client) opened() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frameAt > 0
}

// took writes down what came, and answers a Close.
func (c *client) took(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received = append(c.received, p...)
	if c.frameAt == 0 {
		if at := bytes.Index(c.received, []byte("HTTP/1.1 101 ")); at >= 0 {
			if end := bytes.Index(c.received[at:], []byte("\r\n\r\n")); end >= 0 {
				c.frameAt = at + end + 4
			}
		}
	}
	if c.frameAt == 0 || !c.reply {
		return
	}
	for {
		f, n := rawpeer.Parse(c.received[c.frameAt:])
		if n == 0 {
			return
		}
		c.frameAt += n
		if f.Opcode == rawpeer.OpClose {
			c.reply = false
			c.write(f.Append(nil, [4]byte{1, 2, 3, 4}))
		}
	}
}

// write writes, and takes note of a reset: a Read behind it finds only EOF.
func (c *client) write(p []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, err := c.tcp.Write(p)
	c.reset = c.reset || errors.Is(err, syscall.ECONNRESET)
	return err
}

// wasReset reports whether a Write was told of a reset, one that goes on too.
func (c *client) wasReset() bool {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.reset
}

func (c *client) ended(err error) {
	at := time.Now()
	if errors.Is(err, io.EOF) && c.wasReset() {
		err = syscall.ECONNRESET
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != "" {
		return
	}
	switch {
	case errors.Is(err, io.EOF):
		c.end = byFIN
	case errors.Is(err, syscall.ECONNRESET):
		c.end = byRST
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.end = stillOpen
	default:
		c.end = byItself
	}
	c.endedAt = at
	close(c.over)
}

// act does one step of the peer's.
func (c *client) act(s step) {
	switch s.verb {
	case requests, sends:
		if strings.Contains(s.arg, "close") {
			c.answersNoMore()
		}
		c.tcp.SetWriteDeadline(time.Now().Add(4 * c.idle)) // a server need not read
		for _, piece := range s.wire {
			if c.write(piece) != nil {
				return
			}
		}
	case halfCloses:
		c.taken()
		c.tcp.CloseWrite()
	case closes:
		c.taken()
		c.gone()
		c.tcp.Close()
	case resets:
		c.taken()
		c.gone()
		c.tcp.SetLinger(0)
		c.tcp.Close()
	case waits:
		c.await(c.idle * 3 / 2)
	case trickles:
		pong := rawpeer.Pong("").Append(nil, [4]byte{1, 2, 3, 4})
		for range 8 {
			if c.write(pong) != nil {
				return
			}
			c.await(c.idle / 4)
		}
	}
}

// answersNoMore takes note that the peer has closed: what the server sends is
// the answer.
func (c *client) answersNoMore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = false
}

// await waits for a while, or until TCP has ended.
func (c *client) await(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.over:
	case <-t.C:
	}
}

// awaitFrame waits until something has come behind the 101.
func (c *client) awaitFrame(limit time.Duration) {
	for until := time.Now().Add(limit); time.Now().Before(until); {
		c.mu.Lock()
		_, fs, rest := split(c.received)
		c.mu.Unlock()
		if len(fs)+len(rest) > 0 {
			return
		}
		c.await(time.Millisecond)
		select {
		case <-c.over:
			return
		default:
		}
	}
}

// gone takes note that the peer ends TCP, unless the server has ended it.
func (c *client) gone() { c.ended(net.ErrClosed) }

// taken waits until everything that has come was read: what is still in the
// kernel when the peer ends TCP is lost, and turns its FIN into a reset.
func (c *client) taken() {
	if c.pace != eager {
		return
	}
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 1)
	for range 100 {
		empty := true
		raw.Control(func(fd uintptr) {
			_, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			empty = errors.Is(err, syscall.EAGAIN)
		})
		if empty {
			return
		}
		c.await(100 * time.Microsecond) // the reader is about to see it
	}
}

// cut makes an end of TCP for good.
func (c *client) cut() {
	c.tcp.SetLinger(0)
	c.tcp.Close()
}

// split divides what came into the HTTP answers, up to the head of a 101, and
// the frames behind it.
func split(received []byte) (head string, fs []rawpeer.Frame, rest []byte) {
	at := bytes.Index(received, []byte("HTTP/1.1 101 "))
	if at < 0 {
		return string(received), nil, nil
	}
	end := bytes.Index(received[at:], []byte("\r\n\r\n"))
	if end < 0 {
		return string(received), nil, nil
	}
	end += at + 4
	head, rest = string(received[:end]), received[end:]
	for {
		f, n := rawpeer.Parse(rest)
		if n == 0 {
			return head, fs, rest
		}
		fs, rest = append(fs, f), rest[n:]
	}
}
