package closeguard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// tcpPair is both ends of a connection over the loopback.
func tcpPair(t *testing.T) (ours, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	is(t, err)
	defer l.Close()
	p, err := net.Dial("tcp", l.Addr().String())
	is(t, err)
	o, err := l.Accept()
	is(t, err)
	t.Cleanup(func() {
		o.Close()
		p.Close()
	})
	return o.(*net.TCPConn), p.(*net.TCPConn)
}

// guardTCP guards one end of it.
func guardTCP(t *testing.T, g *closeguard.Guard) (*closeguard.Conn, *net.TCPConn) {
	t.Helper()
	ours, peer := tcpPair(t)
	c, err := g.WrapConn(ours, closeguard.Server)
	is(t, err)
	return c, peer
}

// readsAhead checks how many bytes were read ahead.
func readsAhead(t *testing.T, c *closeguard.Conn, want int) {
	t.Helper()
	if got, _ := closeguard.ReadAhead(c); got != want {
		t.Errorf("%d bytes were read ahead, want %d", got, want)
	}
}

// holdsNothing checks that no connection of the guard's holds anything.
func holdsNothing(t *testing.T, c *closeguard.Conn) {
	t.Helper()
	if bytes, conns := closeguard.ReadAhead(c); bytes != 0 || conns != 0 {
		t.Errorf("%d bytes are held, by %d connections in all; want none", bytes, conns)
	}
}

// longFrame is one of which a Read of 4 KiB leaves much.
func longFrame(n int) []byte { return wireBytes(closeguard.Client, big(n)) }

// Inside a long frame the guard takes what is there, up to the frame's end, and nothing
// that is behind it.
func TestReadingAheadEndsWithTheFrame(t *testing.T) {
	c, peer := guardTCP(t, newGuard(t, closeguard.Options{}))
	frame := longFrame(30_000)
	behind := wireBytes(closeguard.Client, ping("behind"), closeWith(1000, ""))
	peer.Write(append(slices.Clone(frame), behind...))
	untilUnread(t, c, len(frame)+len(behind))
	var got []byte
	p := make([]byte, 4096)
	for _, ahead := range []int{0, len(frame) - 2*4096, len(frame) - 3*4096} {
		n, err := c.Read(p)
		is(t, err)
		got = append(got, p[:n]...)
		readsAhead(t, c, ahead)
	}
	untilUnread(t, c, len(behind))
	for len(got) < len(frame) {
		n, err := c.Read(p)
		is(t, err)
		got = append(got, p[:n]...)
	}
	holdsNothing(t, c)
	if !bytes.Equal(got, frame) {
		t.Errorf("%d bytes were read, which are not the %d that were written", len(got), len(frame))
	}
	n, err := c.Read(p)
	is(t, err)
	if !bytes.Equal(p[:n], behind) {
		t.Errorf("behind the frame came %x, want %x", p[:n], behind)
	}
}

// A library that reads 4 KiB at a time costs few calls of the kernel's.
func TestALongFrameTakesFewCalls(t *testing.T) {
	runtime.LockOSThread() // the kernel counts by thread
	defer runtime.UnlockOSThread()
	const size = 60_000
	frame, p := longFrame(size), make([]byte, 4096)
	calls := func(nc net.Conn, ours, peer *net.TCPConn) int {
		peer.Write(frame)
		untilReadable(t, ours, len(frame))
		before := readCalls(t)
		for n := 0; n < len(frame); {
			k, err := nc.Read(p)
			is(t, err)
			n += k
		}
		return readCalls(t) - before
	}
	ours, peer := tcpPair(t)
	bare := calls(ours, ours, peer)
	c, peer := guardTCP(t, newGuard(t, closeguard.Options{}))
	ours = c.NetConn().(*net.TCPConn)
	if got := calls(c, ours, peer); got != bare-13 { // of 15 Reads of the frame the first one, and one for the rest
		t.Errorf("%d calls of the kernel's, %d bare; want 13 less", got, bare)
	}
}

// readCalls is how many calls that read this thread has made, this one's own among them.
func readCalls(t *testing.T) (n int) {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/io")
	is(t, err)
	_, rest, _ := strings.Cut(string(b), "syscr: ")
	_, err = fmt.Sscan(rest, &n)
	is(t, err)
	return n
}

// However the peer's bytes come and the library reads, it reads what was written.
func TestWhatIsReadAheadIsWhatCame(t *testing.T) {
	guards := []*closeguard.Guard{
		newGuard(t, closeguard.Options{}), newGuard(t, closeguard.Options{PingInterval: time.Hour}), newGuard(t, closeguard.Options{CountTraffic: true}),
	}
	for seed := range uint64(21) {
		random := rand.New(rand.NewPCG(seed, 0))
		var stream []byte
		for range 10 {
			n := random.IntN(100_000) >> random.IntN(8)
			f := wireBytes(closeguard.Client, big(n), ping("p"))
			for i := range f {
				if f[i] == '*' {
					f[i] = byte(random.Int()) //nolint:gosec // which bytes doesn't matter
				}
			}
			stream = append(stream, f...)
		}
		c, peer := guardTCP(t, guards[seed%3])
		go func() {
			for b := stream; len(b) > 0; {
				n := min(len(b), 1+random.IntN(40_000))
				peer.Write(b[:n])
				b = b[n:]
			}
			peer.CloseWrite()
		}()
		reads := rand.New(rand.NewPCG(seed, 1))
		var got []byte
		for {
			p := make([]byte, 1+reads.IntN(12_000)>>reads.IntN(12))
			n, err := c.Read(p)
			if got = append(got, p[:n]...); err != nil {
				is(t, err, io.EOF)
				break
			}
		}
		if !bytes.Equal(got, stream) {
			t.Fatalf("seed %d: %d bytes were read, which are not the %d that were written", seed, len(got), len(stream))
		}
		holdsNothing(t, c)
		c.Close()
	}
}

// Deadlines, an end inside the frame and a Close of TCP make Reads fail as if nothing
// were read ahead: the same steps say the same, guarded and bare.
func TestReadingAheadChangesNoError(t *testing.T) {
	type both struct {
		net.Conn // what the library reads from
		raw      *net.TCPConn
		peer     *net.TCPConn
	}
	const size = 30_000
	past := time.Unix(1, 0)
	read := func(b both) string {
		n, err := b.Read(make([]byte, 4096))
		op := new(net.OpError)
		if errors.As(err, &op) { // the ports differ
			return fmt.Sprint(n, " ", op.Op, " ", op.Net, " ", op.Source != nil, op.Addr != nil, " ", op.Err, " ", op.Timeout(), " ", errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed))
		}
		return fmt.Sprint(n, " ", err)
	}
	for _, tt := range []struct {
		name  string
		sends int // bytes of the frame
		steps []func(both) string
	}{
		{"a deadline", size, []func(both) string{read, read, func(b both) string { return fmt.Sprint(b.SetReadDeadline(past)) }, read,
			func(b both) string { return fmt.Sprint(b.SetDeadline(time.Time{})) }, read}},
		{"a deadline set past the guard", size, []func(both) string{read, read, func(b both) string { return fmt.Sprint(b.raw.SetReadDeadline(past)) }, read,
			func(b both) string { return fmt.Sprint(b.raw.SetReadDeadline(time.Time{})) }, read}},
		{"a deadline while nothing comes", 5000, []func(both) string{read, read, func(b both) string {
			return fmt.Sprint(b.SetReadDeadline(time.Now().Add(time.Millisecond)))
		}, read, func(b both) string { return fmt.Sprint(b.SetReadDeadline(time.Time{})) }, func(b both) string {
			n, err := b.peer.Write(make([]byte, 100))
			return fmt.Sprint(n, err)
		}, read}},
		{"TCP is closed past the guard", size, []func(both) string{read, read, func(b both) string { return fmt.Sprint(b.raw.Close()) }, read}},
		{"the peer's end", 10_000, []func(both) string{read, read, func(b both) string { return fmt.Sprint(b.peer.CloseWrite()) }, read, read, read}},
		{"a Read of nothing", size, []func(both) string{read, read, func(b both) string {
			n, err := b.Read(nil)
			return fmt.Sprint(n, err)
		}, read}},
		{"the peer's reset", 10_000, []func(both) string{read, read, read, func(b both) string {
			b.peer.SetLinger(0)
			return fmt.Sprint(b.peer.Close())
		}, read, read}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := func(guarded bool) (all []string) {
				ours, peer := tcpPair(t)
				b := both{ours, ours, peer}
				if guarded {
					c, err := newGuard(t, closeguard.Options{}).WrapConn(ours, closeguard.Server)
					is(t, err)
					b.Conn = c
				}
				peer.Write(longFrame(size)[:tt.sends])
				untilReadable(t, ours, tt.sends)
				for i, step := range tt.steps {
					all = append(all, step(b))
					if c, ok := b.Conn.(*closeguard.Conn); ok && i == 1 && tt.sends > 2*4096 {
						readsAhead(t, c, tt.sends-2*4096)
					}
				}
				if c, ok := b.Conn.(*closeguard.Conn); ok {
					c.Abort()
					<-c.Done()
					holdsNothing(t, c)
				}
				return all
			}
			if bare, guarded := said(false), said(true); !slices.Equal(bare, guarded) {
				t.Errorf("bare     %q\nguarded  %q", bare, guarded)
			}
		})
	}
}

// Whoever reads next gets what was read ahead: the library closes, and the peer's Close
// behind the frame is found all the same.
func TestTheGuardReadsOnFromWhatWasReadAhead(t *testing.T) {
	for _, lies := range []string{"the Close lies in the kernel", "the Close comes later"} {
		t.Run(lies, func(t *testing.T) {
			c, peer := guardTCP(t, newGuard(t, closeguard.Options{}))
			frame, close := longFrame(30_000), wireBytes(closeguard.Client, closeWith(4321, "bye"))
			peer.Write(frame)
			untilUnread(t, c, len(frame))
			for range 2 {
				c.Read(make([]byte, 4096))
			}
			readsAhead(t, c, len(frame)-2*4096)
			want := "local closed 1001, sent 1001, received 4321 bye, clean"
			if lies == "the Close lies in the kernel" {
				peer.Write(close)
				untilUnread(t, c, len(close))
				want = "peer closed 4321, sent 4321 bye, received 4321 bye, clean"
				c.Close()
			} else {
				c.Close()
				peer.Write(close)
			}
			<-c.Done()
			if got := outcome(c.Event()); got != want {
				t.Errorf("it ended as %s, want %s", got, want)
			}
			holdsNothing(t, c)
		})
	}
}

// A program may read by the bufio.Reader of Hijack behind Reads of the net.Conn's.
func TestTheReaderOfHijackGetsWhatWasReadAhead(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	got := make(chan []byte, 1)
	frame := longFrame(30_000)
	s := httptest.NewServer(g.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw := hijack(t, w)
		io.WriteString(c, switching)
		untilUnread(t, c.(*closeguard.Conn), len(frame))
		all := make([]byte, len(frame))
		for i := range 2 {
			c.Read(all[i*4096:][:4096])
		}
		readsAhead(t, c.(*closeguard.Conn), len(frame)-2*4096)
		io.ReadFull(rw, all[2*4096:])
		holdsNothing(t, c.(*closeguard.Conn))
		got <- all
	})))
	defer s.Close()
	peer := ask(t, s.Listener.Addr())
	defer peer.Close()
	io.ReadFull(peer, make([]byte, len(switching)))
	peer.Write(frame)
	if !bytes.Equal(<-got, frame) {
		t.Error("what was read is not what was written")
	}
}

// Nothing is held for who waits, and only so many connections hold bytes at a time; the
// others read as ever.
func TestFewConnectionsReadAhead(t *testing.T) {
	g := newGuard(t, closeguard.Options{})
	frame := longFrame(20_000)
	var conns []*closeguard.Conn
	for range closeguard.MostRooms + 5 {
		c, peer := guardTCP(t, g)
		peer.Write(frame)
		untilUnread(t, c, len(frame))
		conns = append(conns, c)
		for range 2 {
			n, err := c.Read(make([]byte, 4096))
			if n != 4096 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		}
	}
	for i, c := range conns {
		want := len(frame) - 2*4096
		if i >= closeguard.MostRooms {
			want = 0
		}
		readsAhead(t, c, want)
	}
	if _, n := closeguard.ReadAhead(conns[0]); n != closeguard.MostRooms {
		t.Errorf("%d connections hold bytes, want %d", n, closeguard.MostRooms)
	}
	for _, c := range conns {
		if n, err := io.ReadFull(c, make([]byte, len(frame)-2*4096)); err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	holdsNothing(t, conns[0])

	c, peer := guardTCP(t, g)
	peer.Write(frame[:5000])
	untilUnread(t, c, 5000)
	read := make(chan int)
	for range 2 {
		c.Read(make([]byte, 4096))
	}
	holdsNothing(t, c)
	go func() {
		n, _ := c.Read(make([]byte, 4096))
		read <- n
	}()
	peer.Write(frame[5000:])
	if n := <-read; n == 0 {
		t.Error("nothing was read")
	}
}

// untilReadable is untilUnread for a bare connection.
func untilReadable(t *testing.T, nc syscall.Conn, n int) {
	t.Helper()
	raw, err := nc.SyscallConn()
	is(t, err)
	is(t, raw.Read(func(fd uintptr) bool {
		got, _, _ := syscall.Recvfrom(int(fd), make([]byte, n), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return got >= n
	}))
}
