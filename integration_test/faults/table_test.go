package faults

import (
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
	"github.com/closeguard/ws/integration_test/record"
	"github.com/closeguard/ws/integration_test/sockets"
)

// TestMain lets many connections wait at the same time: most of the time
// nothing happens.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	runtime.MemProfileRate = 8 << 10
	record.Stalls.Watch()
	os.Exit(m.Run())
}

// A moment is when a fault strikes.
type moment int

const (
	idle         moment = iota // nothing is under way; then the peer closes
	inMessage                  // half of a message has come; then comes the rest, and the peer closes
	behindOurs                 // the peer has our Close and is about to answer
	behindTheirs               // the peer's Close has come, and the application is about to read it
	moments
)

var momentNames = [moments]string{"idle", "in a message", "behind our Close", "behind the peer's Close"}

// A fault is something that goes wrong on a line, and the event that must come
// of it at each moment.
type fault struct {
	name   string
	proxy  func(*proxy) error           // on a line through toxiproxy
	resets bool                         // which ends with a reset
	cable  func(*cable, net.Addr) error // or inside a namespace, given the peer's address
	mend   func(*cable) error           // when the peer has written what it has to
	silent bool                         // nobody is told, so that only time can tell
	hangs  bool                         // the line hangs up as soon as the guard does
	kernel time.Duration                // how long the server's kernel waits for an answer of the peer's, 0: as usual
	ends   bool                         // the server's kernel knows at once that TCP is over
	events [moments]string              // as record.Full writes them
}

// What a fault brings that only makes things late.
var onlyLate = [moments]string{
	"peer closed 4000 clean, sent 4000, received 4000",
	"peer closed 4000 clean, sent 4000, received 4000",
	"local closed 3001 clean, sent 3001, received 3001",
	"peer closed 4000 clean, sent 4000, received 4000",
}

// What it brings if the server hears nothing any more: that our Close in the
// last row has left is all that its kernel can tell.
var silence = [moments]string{
	`local closed 1001, sent 1001 "ping timeout": ping timeout and no answer`,
	`local closed 1001, sent 1001 "ping timeout": ping timeout and no answer`,
	"local closed 3001, sent 3001: no answer",
	"peer closed 4000 clean, sent 4000, received 4000",
}

// What it brings if the connection ends because of this.
func because(of string) [moments]string {
	return [moments]string{
		"dropped 1006: " + of,
		"dropped 1006: " + of,
		"local closed 3001, sent 3001: " + of,
		"peer closed 4000, received 4000: " + of,
	}
}

// What FIN brings: our answer still leaves.
var finished = func() [moments]string {
	all := because("FIN")
	all[behindTheirs] = onlyLate[behindTheirs]
	return all
}()

// inside is finished, at some moments inside a message.
func inside(at ...moment) (events [moments]string) {
	events = finished
	for _, m := range at {
		events[m] = strings.Replace(finished[m], "FIN", record.CutOff, 1)
	}
	return events
}

func toxic(kind, direction, attributes string) func(*proxy) error {
	return func(p *proxy) error { return p.add(kind, direction, attributes, 1) }
}

func stop(p *proxy) error {
	p.Stop()
	return nil
}

func cut(c *cable, _ net.Addr) error  { return c.cut() }
func lose(c *cable, _ net.Addr) error { return c.lose() }

var faults = []fault{
	{name: "reset", proxy: stop, resets: true, ends: true, events: because("reset")},
	{name: "FIN", proxy: stop, ends: true, events: inside(inMessage)},
	{name: "silence, then FIN", proxy: toxic("timeout", "both", `"timeout": 50`), ends: true, events: inside(inMessage)},
	{name: "black hole", proxy: toxic("timeout", "both", `"timeout": 0`), silent: true, hangs: true, events: silence},
	{name: "the peer's next frame cut off", proxy: toxic("limit_data", "upstream", `"bytes": 3`), events: inside(idle, inMessage, behindOurs)},
	{name: "our next frame cut off", proxy: toxic("limit_data", "downstream", `"bytes": 3`), events: onlyLate},
	{name: "slices", proxy: toxic("slicer", "both", `"average_size": 2, "delay": 500`), events: onlyLate},
	{name: "latency", proxy: toxic("latency", "both", `"latency": 100, "jitter": 50`), events: onlyLate},
	{name: "little bandwidth", proxy: toxic("bandwidth", "both", `"rate": 1`), events: onlyLate},
	{name: "a late end", proxy: toxic("slow_close", "both", `"delay": 200`), events: onlyLate},

	{name: "partition", cable: cut, silent: true, events: silence},
	{name: "partition that heals", cable: cut, mend: (*cable).mend, events: onlyLate},
	{name: "partition that the kernel finds out", cable: cut, silent: true, kernel: 300 * time.Millisecond, events: [moments]string{
		"dropped 1006: timeout",
		"dropped 1006: timeout",
		"local closed 3001, sent 3001: no answer", // nothing of ours is under way
		"peer closed 4000 clean, sent 4000, received 4000",
	}},
	{name: "30 % loss", cable: lose, events: onlyLate},
	{name: "the peer's socket killed", cable: (*cable).killTheirs, ends: true, events: because("reset")},
	{name: "our socket killed", cable: (*cable).killOurs, ends: true, events: because("killed")},
}

// Each fault at each moment, in every way to serve.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			var ns *namespace
			if f.cable != nil {
				ns = newNamespace(t)
			}
			for m := range moments {
				for _, e := range endpoints[:4] {
					t.Run(momentNames[m]+e.Path, func(t *testing.T) {
						t.Parallel()
						f.run(t, ns, m, e.Path)
					})
				}
			}
		})
	}
}

// struck is a run of one fault at one moment.
type struck struct {
	*testing.T
	*fault
	server *server
	line   line
	peer   *rawpeer.Peer
	record *record.Record
	socket socket
	reads  chan struct{} // closed when the application may read
}

// pinged reports whether it is a ping that finds the fault, or a message where the
// kernel is to miss an answer: a ping may have had its own before the fault.
func (f *fault) pinged(m moment) bool { return f.silent && (m == idle || m == inMessage) }

// late reports whether the application reads only when the fault has struck. While
// it doesn't, the guard has no ping time out, so that none is too early.
func (f *fault) late(m moment) bool { return m == behindTheirs || f.pinged(m) }

func (f *fault) run(t *testing.T, ns *namespace, m moment, endpoint string) {
	s := &struck{T: t, fault: f, reads: make(chan struct{})}
	opts := closeguard.Options{CloseIdle: patience}
	if f.silent {
		opts.CloseIdle = 300 * time.Millisecond
	}
	if f.pinged(m) && f.kernel == 0 {
		opts.PingInterval, opts.PingTimeout = 500*time.Millisecond, time.Second
	}
	opened := make(chan socket, 1)
	s.open(ns, opts, func(_ *http.Request, conn socket) error {
		opened <- conn
		<-s.reads
		if f.pinged(m) && f.kernel > 0 {
			if err := conn.Write(true, []byte("is anybody there?")); err != nil {
				return err
			}
		}
		return sockets.Echo(conn, -1)
	})
	path := endpoint + "/1"
	var err error
	if s.peer, err = s.line.connect(path, rawpeer.Wait(patience)); err != nil {
		t.Fatal(err)
	}
	defer s.peer.TCP.Close()
	s.socket, s.record = <-opened, s.server.Of(path)
	if f.kernel > 0 {
		s.control(func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(f.kernel.Milliseconds()))
		})
	}
	s.record.HangsUp.Store(f.hangs)
	rest := s.upTo(m)
	s.strike()
	if m == behindTheirs && f.ends {
		s.awaitEnd()
	}
	if f.late(m) {
		close(s.reads)
	}
	s.peer.WriteBytes(rest) // fails where the fault was so
	if f.mend != nil {
		if err := f.mend(s.line.(*cable)); err != nil {
			t.Fatal(err)
		}
	}
	got := s.server.events.Wait(path, patience)
	if got.Opened != 1 || len(got.Closed) != 1 {
		t.Fatalf("%d opened, %v closed; want 1 of each", got.Opened, got.Closed)
	}
	ev, want := got.Closed[0], f.events[m]
	if text := record.Full(ev); text != want {
		t.Errorf("event\ngot  %s\nwant %s\n%v", text, want, ev)
	}
	for _, misfit := range s.record.Misfits(ev, answers) {
		t.Errorf("%s, on the wire: %s", misfit, s.record.Order())
	}
}

// open starts the server and opens the line to it.
func (s *struck) open(ns *namespace, opts closeguard.Options, f handler) {
	s.server = newServer(s.T, opts, f)
	if s.cable != nil {
		l, err := ns.listen()
		if err != nil {
			s.Fatal(err)
		}
		s.line = &cable{ns, s.server.serve(l)}
		return
	}
	l, err := listen()
	if err != nil {
		s.Fatal(err)
	}
	p, err := newProxy(s.server.serve(l), s.resets)
	if err != nil {
		s.Fatal(err)
	}
	s.line = p
	s.Cleanup(p.close)
}

// upTo does all that comes before the fault, and returns what the peer writes
// behind it.
func (s *struck) upTo(m moment) (rest []byte) {
	bye := rawpeer.Close(4000, "").Append(nil, [4]byte{1, 2, 3, 4})
	if !s.late(m) {
		close(s.reads)
	}
	switch m {
	case idle:
		return bye
	case inMessage:
		whole := rawpeer.Text("one half, other half").Append(nil, [4]byte{5, 6, 7, 8})
		half := len(whole) / 2
		s.peer.WriteBytes(whole[:half])
		if s.late(m) {
			s.awaitBytes(half)
		} else if !s.record.Wait(patience, func(r *record.Record) bool { return r.In.Bytes == half }) {
			s.Fatal("half of the message hasn't come")
		}
		return append(whole[half:], bye...)
	case behindOurs:
		go s.socket.CloseWith(3001, "")
		if f, ok := s.peer.ReadFrame(); !ok || f.CloseCode() != 3001 {
			s.Fatalf("the peer read %v and %s, want our Close", f, s.peer.End)
		}
		return rawpeer.Close(3001, "").Append(nil, [4]byte{9, 10, 11, 12})
	default:
		s.peer.WriteBytes(bye)
		s.awaitBytes(len(bye))
		return nil
	}
}

func (s *struck) strike() {
	var err error
	if s.cable != nil {
		err = s.cable(s.line.(*cable), s.peer.TCP.LocalAddr())
	} else {
		err = s.proxy(s.line.(*proxy))
	}
	if err != nil {
		s.Fatal(err)
	}
}

// control does something with the server's socket.
func (s *struck) control(f func(fd int) error) {
	raw, err := s.record.TCP.SyscallConn()
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) { err = f(int(fd)) }), err)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// awaitBytes waits until the server's kernel has them, which nobody reads.
func (s *struck) awaitBytes(n int) {
	raw, err := s.record.TCP.SyscallConn()
	if err != nil {
		s.Fatal(err)
	}
	buf := make([]byte, n)
	err = raw.Read(func(fd uintptr) bool {
		got, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK)
		return got == n || err != nil && err != unix.EAGAIN
	})
	if err != nil {
		s.Fatal(err)
	}
}

// awaitEnd waits until the server's kernel knows that TCP is over.
func (s *struck) awaitEnd() {
	s.control(func(fd int) error {
		for {
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}, int(patience.Milliseconds()))
			if err != unix.EINTR { // a signal of the runtime's
				return err
			}
		}
	})
}
