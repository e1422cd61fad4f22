// Package count counts what the echo of one message costs a server in
// allocations and in system calls that read or write. The counts are exact and
// can be repeated: server and client work in lockstep.
//
// System calls are counted by the kernel, for the one thread that the
// connection's handler is locked to (/proc/thread-self/io). A wrapper that
// counts Read and Write would change what it counts, since writev is lost
// behind it; and a count of the whole process, or of one that isn't in
// lockstep, has the calls in it that found nothing to read.
package count

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/server"
	"github.com/closeguard/ws/benchmarks/internal/wsraw"
	"github.com/closeguard/ws/closeguard"
)

// Cell is what to count.
type Cell struct {
	Library  string // "gorilla" or "coder"
	Path     string // server.Bare, Plain or Adapter
	TLS      bool
	Compress bool
	Size     int // bytes of a message
}

// Counts is what the echo of one message costs.
type Counts struct {
	Allocs        int
	Reads, Writes int // system calls; of messages over MaxCalls they are 0
}

// MaxCalls is the size of message up to which system calls are counted. Larger
// ones don't fit into the kernel's buffers, and how often a Write of one blocks
// is up to the reader.
const MaxCalls = 64 << 10

const (
	warmUp  = 5
	batches = 5
	piece   = 64 << 10 // is sure to fit into a receive buffer
	buffer  = 200 << 10
	wait    = 20 * time.Second
)

// Echo counts one cell.
func Echo(c Cell) (Counts, error) {
	guard, err := closeguard.New(closeguard.Options{})
	if err != nil {
		return Counts{}, err
	}
	defer guard.Close() // always nil
	l, err := listen(c.TLS)
	if err != nil {
		return Counts{}, err
	}
	s := &http.Server{Handler: server.Echoes(c.Library, guard, c.Compress)[c.Path], ErrorLog: log.New(io.Discard, "", 0)} // its client is ours
	go s.Serve(l.outer)                                                                                                   //nolint:errcheck // Shutdown ends it
	defer s.Shutdown(context.Background())                                                                                //nolint:errcheck // nothing is left
	scheme := "ws://"
	if c.TLS {
		scheme = "wss://"
	}
	conn, err := wsraw.Dial(scheme+l.Addr().String(), c.Compress)
	if err != nil {
		return Counts{}, err
	}
	defer conn.Close()
	ours, err := newTCP(socket(conn.Conn))
	if err != nil {
		return Counts{}, err
	}
	v := &visit{
		conn: conn, gate: <-l.accepted, ours: ours, frame: wsraw.Message(c.Size, c.Compress),
		large: c.Size > MaxCalls, listen: make(chan struct{}), echoes: make(chan error, 1),
	}
	defer close(v.gate.ready)
	go v.answers()
	defer close(v.listen)
	return v.count(c)
}

// listener hands out gates.
type listener struct {
	net.Listener
	outer    net.Listener // itself, or TLS on it
	accepted chan *gate
}

func listen(secure bool) (*listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer) //nolint:errcheck // a smaller one shows
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, buffer) //nolint:errcheck // as above
		})
	}}
	inner, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: inner, accepted: make(chan *gate, 1)}
	l.outer = l
	if secure {
		cert, err := server.Certificate()
		if err != nil {
			return nil, err
		}
		l.outer = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	return l, nil
}

// Accept accepts a connection.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t, err := newTCP(nc.(*net.TCPConn))
	if err != nil {
		return nil, err
	}
	g := &gate{TCPConn: nc.(*net.TCPConn), tcp: t, idle: make(chan calls), ready: make(chan struct{})}
	select {
	case l.accepted <- g:
	default:
	}
	return g, nil
}

// visit is the client's side.
type visit struct {
	conn   *wsraw.Conn
	gate   *gate
	ours   *tcp
	frame  []byte
	large  bool          // the echo has to be read while the server writes it
	listen chan struct{} // to read one echo
	echoes chan error    // nil for each echo that was read
}

func (v *visit) count(c Cell) (Counts, error) {
	v.conn.SetDeadline(time.Now().Add(wait)) //nolint:errcheck // Read tells
	to, err := v.begin()
	if err != nil {
		return Counts{}, err
	}
	n := 10
	if v.large {
		n = 2
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if to, err = v.messages(warmUp); err != nil {
		return Counts{}, err
	}
	// The median, because now and then the runtime allocates on its own.
	var results []Counts
	for range batches {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		from := to
		if to, err = v.messages(n); err != nil {
			return Counts{}, fmt.Errorf("%+v: %w", c, err)
		}
		runtime.ReadMemStats(&after)
		counts := Counts{Allocs: int(after.Mallocs-before.Mallocs) / n} // few
		if !v.large {
			counts.Reads, counts.Writes = int(to.reads-from.reads)/n, int(to.writes-from.writes)/n
		}
		results = append(results, counts)
	}
	slices.SortFunc(results, func(a, b Counts) int { return cmp.Compare(a.Allocs, b.Allocs) })
	return results[batches/2], nil
}

func (v *visit) messages(n int) (now calls, err error) {
	for range n {
		if now, err = v.message(); err != nil {
			return now, err
		}
	}
	return now, nil
}

// begin shuts the gate. Not before a first message has come back: net/http
// reads, too, until the connection is hijacked. The second one the server may
// be waiting for in the kernel or at the gate; after it, it is at the gate.
func (v *visit) begin() (now calls, err error) {
	first := wsraw.Message(64, v.conn.Deflate)
	v.listen <- struct{}{}
	if _, err := v.conn.Write(first); err != nil {
		return now, err
	}
	if err := <-v.echoes; err != nil {
		return now, err
	}
	v.gate.shut.Store(true)
	v.listen <- struct{}{}
	if _, err := v.conn.Write(first); err != nil {
		return now, err
	}
	arrived(v.ours, v.gate.tcp)
	for echoed, resting := false, false; !echoed || !resting; {
		select {
		case now = <-v.gate.idle:
			if now.err != nil {
				return now, now.err
			}
			if resting = v.gate.tcp.unread() == 0; !resting {
				v.gate.ready <- struct{}{}
			}
		case err := <-v.echoes:
			if err != nil {
				return now, err
			}
			echoed = true
		}
	}
	return now, nil
}

// message sends one message in pieces, each of which the server finds whole,
// and reads its echo, which it finds whole too if it isn't large.
func (v *visit) message() (now calls, err error) {
	if v.large {
		v.listen <- struct{}{}
	}
	for rest := v.frame; len(rest) > 0; {
		n := min(len(rest), piece)
		if _, err := v.conn.Write(rest[:n]); err != nil {
			return now, err
		}
		rest = rest[n:]
		arrived(v.ours, v.gate.tcp)
		v.gate.ready <- struct{}{}
		if now = <-v.gate.idle; now.err != nil {
			return now, now.err
		}
	}
	if !v.large {
		arrived(v.gate.tcp, v.ours)
		v.listen <- struct{}{}
	}
	return now, <-v.echoes
}

// arrived waits until everything that one side wrote is in the other's queue.
func arrived(from, to *tcp) {
	for {
		if sent, all := from.sent(); all && to.received() >= sent {
			return
		}
		runtime.Gosched()
	}
}

// answers reads an echo each time it is told to.
func (v *visit) answers() {
	var counter wsraw.Counter
	buf := make([]byte, 256<<10)
	for range v.listen {
		n, k := 0, 0
		var err error
		for k == 0 && err == nil {
			if n, err = v.conn.Read(buf); err == nil {
				k, err = counter.Feed(buf[:n])
			}
		}
		v.echoes <- err
	}
}

// socket is the TCP connection in or below nc.
func socket(nc net.Conn) *net.TCPConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return nc.(*net.TCPConn)
}
