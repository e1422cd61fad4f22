package closeguard_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

var bothRoles = []closeguard.Role{closeguard.Server, closeguard.Client}

// In a bubble the clock stands still while anybody works: a duration that is
// measured there is exact.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// guarded is a connection under test. The test plays the library, which holds
// conn, and the peer, which holds the other end of the pipe. The connection
// must end in the test's bubble: there must be no goroutine left then.
type guarded struct {
	*closeguard.Conn
	t     *testing.T
	guard *closeguard.Guard
	below *closetest.PipeConn // what the guard reads and writes
	peer  *closetest.PipeConn
	role  closeguard.Role // ours
	log   *recorder
	began time.Time
}

// guard returns a connection that is open, on our side with the role.
func guard(t *testing.T, role closeguard.Role, opts closeguard.Options) *guarded {
	t.Helper()
	return guardPipe(t, role, opts, 64<<10, nil)
}

// guardPipe is guard with buffers of a size, and a transport around the pipe's end.
func guardPipe(t *testing.T, role closeguard.Role, opts closeguard.Options, size int, around func(*closetest.PipeConn) net.Conn) *guarded {
	t.Helper()
	log := new(recorder)
	opts.Observers = append(opts.Observers, log)
	return log.wrap(t, newGuard(t, opts), role, size, around)
}

// open opens a connection of g, of which the recorder must be an observer.
func (log *recorder) open(t *testing.T, g *closeguard.Guard, role closeguard.Role) *guarded {
	t.Helper()
	return log.wrap(t, g, role, 64<<10, nil)
}

func newGuard(t *testing.T, opts closeguard.Options) *closeguard.Guard {
	t.Helper()
	if opts.BareClose == 0 {
		opts.BareClose = closeguard.GoingAway // so that a bare close shows
	}
	g, err := closeguard.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wrap is open with buffers of a size, and a transport around the pipe's end.
func (log *recorder) wrap(t *testing.T, g *closeguard.Guard, role closeguard.Role, size int, around func(*closetest.PipeConn) net.Conn) *guarded {
	t.Helper()
	below, peer := closetest.PipeSize(size)
	var nc net.Conn = below
	if around != nil {
		nc = around(below)
	}
	conn, err := g.WrapConn(nc, role)
	if err != nil {
		t.Fatal(err)
	}
	return &guarded{Conn: conn, t: t, guard: g, below: below, peer: peer, role: role, log: log, began: time.Now()}
}

// other is the peer's role.
func other(role closeguard.Role) closeguard.Role { return closeguard.Client - role }

// send is the peer's writing of frames.
func (c *guarded) send(frames ...frame) {
	c.t.Helper()
	c.sendBytes(wireBytes(other(c.role), frames...))
}

func (c *guarded) sendBytes(b []byte) {
	c.t.Helper()
	if _, err := c.peer.Write(b); err != nil {
		c.t.Errorf("the peer's Write: %v", err)
	}
}

// write is the library's writing of frames, in one Write that must succeed.
func (c *guarded) write(frames ...frame) {
	c.t.Helper()
	b := wireBytes(c.role, frames...)
	if n, err := c.Write(b); n != len(b) || err != nil {
		c.t.Errorf("the library's Write of %d bytes: %d, %v", len(b), n, err)
	}
}

// read is one Read of the library's that must bring these frames and nothing else.
func (c *guarded) read(want ...frame) {
	c.t.Helper()
	p := make([]byte, 1<<20)
	n, err := c.Read(p)
	if wanted := wireBytes(other(c.role), want...); err != nil || !bytes.Equal(p[:n], wanted) {
		c.t.Errorf("the library reads %.200q, %v; want %.200q", p[:n], err, wanted)
	}
}

// readAll reads as a library does until an error comes, which it returns.
func (c *guarded) readAll() error {
	p := make([]byte, 4096)
	for {
		if _, err := c.Read(p); err != nil {
			return err
		}
	}
}

// peerGets reads as many frames as want has, separated by bars.
func (c *guarded) peerGets(want string) {
	c.t.Helper()
	r := frameReader{r: c.peer, from: c.role}
	var got []string
	for range strings.Split(want, " | ") {
		got = append(got, r.next())
	}
	if got := strings.Join(got, " | "); got != want {
		c.t.Errorf("the peer gets %s\nwant %s", got, want)
	}
}

// peerSees reads frames until the end of the stream, which is the last word of want.
func (c *guarded) peerSees(want string) {
	c.t.Helper()
	r := frameReader{r: c.peer, from: c.role}
	var got []string
	for r.err == nil {
		got = append(got, r.next())
	}
	if got := strings.Join(got, " | "); got != want {
		c.t.Errorf("the peer sees %s\nwant %s", got, want)
	}
}

// peerGetsNothing checks that there is nothing for the peer to read now.
func (c *guarded) peerGetsNothing() {
	c.t.Helper()
	synctest.Wait()
	c.peer.SetReadDeadline(time.Now().Add(time.Nanosecond))
	defer c.peer.SetReadDeadline(time.Time{})
	p := make([]byte, 1024)
	if n, err := c.peer.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the peer gets %q, %v; want nothing", p[:n], err)
	}
}

// ends waits for the end of the connection and compares it with want, in the
// words of outcome. Then everything must be over, and be reported once.
func (c *guarded) ends(want string) closeguard.CloseEvent {
	c.t.Helper()
	<-c.Done()
	return c.ended(want)
}

// ended is ends where the connection must have ended already.
func (c *guarded) ended(want string) closeguard.CloseEvent {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-c.Done():
	default:
		c.t.Fatalf("the connection hasn't ended; so far: %v", c.Event())
	}
	if err := c.below.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		c.t.Error("the raw connection isn't closed")
	}
	ev := c.log.ending(c.t, c.Event().Connection().Number)
	if ev == nil {
		c.t.FailNow()
	}
	if got := outcome(ev); got != want {
		c.t.Errorf("it ended as  %s\nwant         %s\nerror: %v", got, want, ev)
	}
	return ev
}

// after checks how long after the opening something happened that happens now.
func (c *guarded) after(want time.Duration) {
	c.t.Helper()
	if got := time.Since(c.began); got != want {
		c.t.Errorf("after %v, want %v", got, want)
	}
}

// recorder also remembers when it was told.
type recorder struct {
	closetest.Recorder

	mu    sync.Mutex
	times []time.Time
}

func (log *recorder) Observe(ctx context.Context, ev closeguard.Event) {
	log.mu.Lock()
	defer log.mu.Unlock()
	log.Recorder.Observe(ctx, ev)
	log.times = append(log.times, time.Now())
}

// ending returns the close event of a connection, of which one Opened and one
// close event must be there, in this order.
func (log *recorder) ending(t *testing.T, number uint64) closeguard.CloseEvent {
	t.Helper()
	of := log.Of(number)
	if len(of) == 2 {
		_, opened := of[0].(*closeguard.Opened)
		if ev, ok := of[1].(closeguard.CloseEvent); ok && opened {
			return ev
		}
	}
	t.Errorf("events of connection %d: %v, want one Opened and one close event", number, of)
	return nil
}

// outcome tells an ending: who, code, the frames, whether it was clean.
func outcome(ev closeguard.CloseEvent) string {
	var b strings.Builder
	switch ev.(type) {
	case *closeguard.PeerClosed:
		b.WriteString("peer closed ")
	case *closeguard.LocalClosed:
		b.WriteString("local closed ")
	case *closeguard.Dropped:
		b.WriteString("dropped ")
	}
	fmt.Fprint(&b, int(ev.Code()))
	e := ev.End()
	for _, f := range []struct {
		word  string
		frame *closeguard.CloseFrame
	}{{"sent", e.Sent}, {"received", e.Received}, {"intended", e.Intended}} {
		if f.frame != nil {
			fmt.Fprintf(&b, ", %s %s", f.word, said(*f.frame))
		}
	}
	if ev.Clean() {
		b.WriteString(", clean")
	}
	return b.String()
}

func said(f closeguard.CloseFrame) string {
	if f.Reason == "" {
		return fmt.Sprint(int(f.Code))
	}
	return fmt.Sprintf("%d %s", int(f.Code), f.Reason)
}

// is checks what is in an error's tree and what is not.
func is(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range []error{
		net.ErrClosed, io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded, context.Canceled, syscall.ECONNRESET, syscall.EPIPE,
		closeguard.ErrAbandoned, closeguard.ErrAborted, closeguard.ErrBareClose, closeguard.ErrCloseBytes,
		closeguard.ErrCloseIdle, closeguard.ErrCloseTimeout, closeguard.ErrEvicted, closeguard.ErrShutdown,
	} {
		if want := slices.Contains(targets, target); errors.Is(err, target) != want {
			t.Errorf("%v: errors.Is(%v) is %t", err, target, !want)
		}
	}
}

// closedCall checks the error of a call on a connection that the library closed.
func closedCall(t *testing.T, n int, err error) {
	t.Helper()
	if n != 0 {
		t.Errorf("n = %d, want 0", n)
	}
	is(t, err, net.ErrClosed)
}

// limitCall checks the error of a call on a connection that reached a limit.
func limitCall(t *testing.T, err, limit error) {
	t.Helper()
	is(t, err, os.ErrDeadlineExceeded, limit)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
}

// frame is a frame before masking: its first byte and its payload.
type frame struct {
	first   byte
	payload string
}

func text(s string) frame    { return frame{0x81, s} }
func start(s string) frame   { return frame{0x01, s} } // of a fragmented message
func middle(s string) frame  { return frame{0x00, s} }
func end(s string) frame     { return frame{0x80, s} }
func ping(s string) frame    { return frame{0x89, s} }
func pong(s string) frame    { return frame{0x8a, s} }
func closing(s string) frame { return frame{0x88, s} } // with any payload
func big(n int) frame        { return frame{0x82, strings.Repeat("*", n)} }

func closeWith(code uint16, reason string) frame {
	return closing(string(binary.BigEndian.AppendUint16(nil, code)) + reason)
}

// testMask is the mask of all frames that a test writes itself.
var testMask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// wireBytes are frames as an endpoint of the role sends them.
func wireBytes(from closeguard.Role, frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		bit := byte(0)
		if from == closeguard.Client {
			bit = 0x80
		}
		b = append(b, f.first)
		switch n := len(f.payload); {
		case n < 126:
			b = append(b, bit|byte(n))
		case n < 1<<16:
			b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
		default:
			b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
		}
		if bit == 0 {
			b = append(b, f.payload...)
			continue
		}
		b = append(b, testMask[:]...)
		for i := range len(f.payload) {
			b = append(b, f.payload[i]^testMask[i%4])
		}
	}
	return b
}

// frameReader tells frames in words. It is not the scanner of the package, so
// that the two can disagree.
type frameReader struct {
	r      io.Reader
	from   closeguard.Role
	mask   [4]byte // of the last frame
	inside bool    // a frame
	err    error
}

// next returns the next frame, or how the stream ended.
func (r *frameReader) next() string {
	r.inside = false
	head := make([]byte, 2)
	if !r.full(head) {
		return r.failed()
	}
	n := uint64(head[1] & 0x7f)
	if extra := map[uint64]int{126: 2, 127: 8}[n]; extra > 0 {
		b := make([]byte, 8)
		if !r.full(b[8-extra:]) {
			return r.failed()
		}
		n = binary.BigEndian.Uint64(b)
	}
	masked := head[1]&0x80 != 0
	if masked && !r.full(r.mask[:]) {
		return r.failed()
	}
	p := make([]byte, n)
	if !r.full(p) {
		return r.failed()
	}
	if masked {
		for i := range p {
			p[i] ^= r.mask[i%4]
		}
	}
	s := tell(frame{head[0], string(p)})
	if masked != (r.from == closeguard.Client) {
		s += fmt.Sprintf(" masked=%t", masked)
	}
	return s
}

func (r *frameReader) full(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	_, r.err = io.ReadFull(r.r, p)
	if errors.Is(r.err, io.EOF) && r.inside {
		r.err = io.ErrUnexpectedEOF
	}
	r.inside = true
	return r.err == nil
}

func (r *frameReader) failed() string {
	switch {
	case errors.Is(r.err, io.EOF):
		return "EOF"
	case errors.Is(r.err, io.ErrUnexpectedEOF):
		return "EOF in a frame"
	case errors.Is(r.err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(r.err, os.ErrDeadlineExceeded):
		return "deadline"
	default:
		return r.err.Error()
	}
}

func tell(f frame) string {
	name, known := map[byte]string{
		0x81: "text", 0x82: "binary", 0x01: "start", 0x00: "middle", 0x80: "end", 0x88: "close", 0x89: "ping", 0x8a: "pong",
	}[f.first]
	if !known {
		name = fmt.Sprintf("frame %#x", f.first)
	}
	switch p := f.payload; {
	case f.first == 0x88 && len(p) >= 2:
		code := fmt.Sprint(name, " ", int(p[0])<<8|int(p[1]))
		return strings.TrimSpace(code + " " + p[2:])
	case len(p) > 64:
		return fmt.Sprintf("%s of %d bytes", name, len(p))
	case p == "":
		return name + " empty"
	default:
		return name + " " + p
	}
}

// lockedBuffer takes what loggers write at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
