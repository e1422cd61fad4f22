package model

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// setting is what a life begins with.
type setting struct {
	role    closeguard.Role
	opts    closeguard.Options
	serve   bool // under a handler
	strict  bool // a library that takes EOF for the end of a message
	buffer  int  // of the transport, each way
	attends bool // the peer reads all the time
}

// step is something that somebody does. It doesn't block.
type step struct {
	does   string
	do     func(*life)
	atOnce bool // with the one before
}

func (s step) String() string {
	if s.atOnce {
		return "at once " + s.does
	}
	return s.does
}

// life is one connection, from its 101 to the end.
type life struct {
	*rapid.T
	setting
	guard  *closeguard.Guard
	conn   *closeguard.Conn
	tap    *tap
	peer   *closetest.PipeConn
	events closetest.Recorder
	all    sync.WaitGroup
	began  time.Time

	library struct {
		reads  chan int
		writes chan []byte
		stream []byte // what it wrote, or was about to
		rest   []byte // of the frame that it is in
	}
	handler chan func() error
	peers   struct {
		reads  chan int
		writes chan []byte
	}

	mu       sync.Mutex
	got      []byte // what the library read
	wrote    error  // how its last Write ended
	saw      []byte // what the peer read
	gone     error  // how the peer's reading ended
	rough    bool   // something aborts
	reports  []closeguard.Report
	wrong    []string
	finished time.Time // when the connection had ended
}

const (
	lasts = time.Second // the guard's wait for the end of TCP
)

// live plays a script and judges it.
func live(rt *rapid.T, s setting, script []step) {
	l := &life{T: rt, setting: s, began: time.Now()}
	l.open()
	for i, step := range script {
		if i > 0 && !step.atOnce {
			synctest.Wait()
			l.tap.begin(i)
		}
		step.do(l)
	}
	synctest.Wait()
	l.tap.begin(len(script))
	l.finish()
	l.judge()
	if len(l.wrong) > 0 {
		rt.Fatalf("%s\n%s\n%s%s", strings.Join(l.wrong, "\n"), l.setting.words(), words(script), l.tap)
	}
}

func words(script []step) string {
	var b strings.Builder
	for i, s := range script {
		fmt.Fprintf(&b, "%3d %s\n", i, s)
	}
	return b.String()
}

func (s setting) words() string {
	side := "a " + s.role.String()
	if s.serve {
		side += " with a handler"
	}
	if s.strict {
		side += ", strict about EOF"
	}
	if !s.attends {
		side += ", its peer reads now and then"
	}
	o := s.opts
	return fmt.Sprintf("%s, buffers of %d, CloseIdle %v, CloseTimeout %v, CloseBytes %d, BareClose %d, ShutdownFrame %t, PingInterval %v, IdleTimeout %v, MaxAge %v, WriteStall %v",
		side, s.buffer, o.CloseIdle, o.CloseTimeout, o.CloseBytes, o.BareClose, o.ShutdownFrame != nil, o.PingInterval, o.IdleTimeout, o.MaxAge, o.WriteStall)
}

func (l *life) open() {
	l.opts.Observers = []closeguard.Observer{&l.events}
	guard, err := closeguard.New(l.opts)
	if err != nil {
		l.Fatal(err)
	}
	below, peer := closetest.PipeSize(l.buffer)
	l.guard, l.peer, l.tap = guard, peer, &tap{PipeConn: below, began: l.began}
	if l.conn, err = guard.WrapConn(l.tap, l.role); err != nil {
		l.Fatal(err)
	}
	if l.strict {
		l.conn.Driver().StrictEOF()
	}
	l.conn.SetKeys("the key")
	l.all.Go(func() {
		<-l.conn.Done()
		l.finished = time.Now()
	})

	l.library.reads, l.library.writes = make(chan int, 1000), make(chan []byte, 1000)
	l.all.Go(l.libraryReads)
	l.all.Go(l.libraryWrites)
	l.peers.reads, l.peers.writes = make(chan int, 1000), make(chan []byte, 1000)
	l.all.Go(l.peerReads)
	l.all.Go(l.peerWrites)
	if l.attends {
		l.peers.reads <- untilTheEnd
	}
	if l.serve {
		l.handler = make(chan func() error, 1)
		l.all.Go(func() {
			defer func() { recover() }()
			l.conn.Driver().Serve(func() error { return (<-l.handler)() })
		})
	}
	synctest.Wait()
}

// untilTheEnd is the size of a Read that is repeated until it fails.
const untilTheEnd = -1

func (l *life) libraryReads() {
	l.serveReads(l.conn, l.library.reads, func(b []byte, _ error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, b...)
	})
}

func (l *life) peerReads() {
	l.serveReads(l.peer, l.peers.reads, func(b []byte, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.saw = append(l.saw, b...)
		if l.gone == nil {
			l.gone = err
		}
	})
}

func (l *life) serveReads(nc net.Conn, sizes <-chan int, got func([]byte, error)) {
	for size := range sizes {
		buf := make([]byte, max(size, 4096))
		if size >= 0 {
			buf = buf[:size]
		}
		for {
			n, err := nc.Read(buf)
			got(buf[:n], err)
			if err != nil || size != untilTheEnd {
				break
			}
		}
	}
}

// libraryWrites writes what the library is told to. A library whose Write was
// cut does not go on inside the frame.
func (l *life) libraryWrites() {
	cut := false
	for b := range l.library.writes {
		if cut {
			continue
		}
		n, err := l.conn.Write(b)
		cut = err != nil && (n > 0 || !errors.Is(err, net.ErrClosed))
		l.mu.Lock()
		l.wrote = err
		l.mu.Unlock()
	}
}

func (l *life) peerWrites() {
	for b := range l.peers.writes {
		if len(b) == 0 {
			l.peer.CloseWrite()
		} else {
			l.peer.Write(b)
		}
	}
}

// later runs what may block.
func (l *life) later(f func()) { l.all.Go(f) }

// finish makes the program close, if it hasn't, and waits until all is over.
func (l *life) finish() {
	closed := time.Now()
	if l.serve {
		select {
		case l.handler <- func() error { return nil }:
		default: // it has been told what to return
		}
		synctest.Wait()
	}
	l.conn.Close()
	limit := l.closeTimeout() + lasts
	time.Sleep(limit + time.Millisecond)
	synctest.Wait()
	select {
	case <-l.conn.Done():
		if took := l.finished.Sub(closed); took > limit {
			l.fails("7: it took %v to end, more than %v", took, limit)
		}
	default:
		l.fails("7: it hasn't ended %v after the program closed; so far: %v", limit, l.conn.Event())
		l.conn.Abort()
	}
	l.peer.Close()
	close(l.library.reads)
	close(l.library.writes)
	close(l.peers.reads)
	close(l.peers.writes)
	l.all.Wait()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if report, err := l.guard.Shutdown(ctx); err != nil && len(l.reports) == 0 {
		l.fails("10: a shutdown after the end: %v, %v", report, err)
	}
	synctest.Wait()
}

// The options' defaults.

func (s setting) closeTimeout() time.Duration {
	if s.opts.CloseTimeout > 0 {
		return s.opts.CloseTimeout
	}
	return 30 * time.Second
}

func (s setting) closeIdle() time.Duration {
	if s.opts.CloseIdle > 0 {
		return s.opts.CloseIdle
	}
	return min(5*time.Second, s.closeTimeout())
}

// fails takes note of what is wrong; the number is that of the broken rule.
func (l *life) fails(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf("rule "+format, args...))
}
