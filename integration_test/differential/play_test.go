package differential

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A pace is how long things take in a play.
type pace struct {
	idle  time.Duration // the guard's CloseIdle
	begin time.Duration // for a call that will block to begin
	done  time.Duration // for a call that won't, to be done, at most
}

func paceOf(idle time.Duration) pace { return pace{idle: idle, begin: idle / 40, done: 2 * idle} }

// When TCP ended, for the peer, after the script's last step.
const (
	atOnce  = "at once"
	atIdle  = "within CloseIdle"
	notSoon = "not within CloseIdle"
)

// An observation is all that the two sides have seen of one play.
type observation struct {
	answer string // HTTP's, byte for byte but for Date
	frames []rawpeer.Frame
	rest   []byte
	end    string // of TCP, for the peer
	time   string

	calls   []string // what each of the handler's steps came to, by step; "" for one that wasn't reached
	handler string   // where it is at the end
	context string   // of the request
	server  []string // the lines of http.Server.ErrorLog
	panic   string   // that reached whoever is above the guard
	guard   []string // what the guard logged, which bare nobody does
}

// Where a call is that didn't return.
const blocked = "blocked"

// A play is a script that is being played, bare or guarded.
type play struct {
	script
	pace
	orders   chan int // steps for the handler
	finished chan struct{}

	mu       sync.Mutex
	steps    []progress
	running  int    // handlers
	last     func() // makes the step done that ends one of them
	returned bool
	context  string
	request  *http.Request // that the handler has
	received *http.Request // the same, as the server gave it
	panic    string
	kept     []any // what must not be collected before the play is over
	server   lines
	guard    lines
}

type progress struct {
	outcome string
	begun   chan struct{}
	done    chan struct{}
}

// lines are the log's, of which only the first line of each entry counts: a
// stack is no observation.
type lines struct {
	mu    sync.Mutex
	all   []string
	panic func() // is told of the line about a panic
}

var addresses = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, _, _ := strings.Cut(string(p), "\n")
	if l.panic != nil && strings.Contains(line, "panic serving") {
		defer l.panic()
		l.panic = nil
	}
	l.all = append(l.all, addresses.ReplaceAllString(line, "address"))
	return len(p), nil
}

func (l *lines) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.all...)
}

func (p *play) entered(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running++
	p.request = r
}

func (p *play) left(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.returned = true
	p.context = contextOf(r)
	if p.last != nil && p.received.Context().Err() == nil {
		context.AfterFunc(p.received.Context(), p.last)
		p.last = nil
	}
}

// gone ends the step that ended the handler where the request's context had ended
// before: when the server has it back, and has logged its panic.
func (p *play) gone(panicked any) {
	p.mu.Lock()
	last := p.last
	p.last = nil
	p.mu.Unlock()
	switch {
	case last == nil:
	case panicked != nil && panicked != http.ErrAbortHandler: // net/http compares, too
		p.server.mu.Lock()
		p.server.panic = last
		p.server.mu.Unlock()
	default:
		last()
	}
}

// contextOf tells a request's context while the handler runs.
func contextOf(r *http.Request) string {
	if r.Context().Err() == nil {
		return "not ended while the handler ran"
	}
	return "ended while the handler ran: " + describe(context.Cause(r.Context()))
}

func (p *play) begun(i int) { close(p.steps[i].begun) }

// leaves takes note of a step that ends the handler. It is done when the server
// knows, too: then the request's context ends.
func (p *play) leaves(i int, outcome string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = func() { p.done(i, outcome) }
}

func (p *play) done(i int, outcome string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.steps[i].outcome == "" {
		p.steps[i].outcome = outcome
		close(p.steps[i].done)
	}
}

func (p *play) keep(v any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, v)
}

// catch writes down the panics that pass it.
func (p *play) catch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.received = r
		p.mu.Unlock()
		defer func() {
			v := recover()
			if v != nil {
				p.mu.Lock()
				p.panic = fmt.Sprint(v)
				p.mu.Unlock()
			}
			p.gone(v)
			if v != nil {
				panic(v)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// A line is a listener that all plays share. Its connections come in pairs:
// both ends of TCP.
type line struct {
	mu sync.Mutex
	l  net.Listener
}

func newLine(tb testing.TB) *line {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return &line{l: l}
}

// smallBuffer is what narrow connections ask the kernel for, which makes
// something like twice that of it.
const smallBuffer = 8 << 10

func (l *line) pair(narrow bool) (client, server *net.TCPConn, err error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		if narrow {
			return raw.Control(func(fd uintptr) {
				syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, smallBuffer)
			})
		}
		return nil
	}}
	l.mu.Lock()
	defer l.mu.Unlock()
	c, err := dialer.Dial("tcp", l.l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	s, err := l.l.Accept()
	if err != nil {
		return nil, nil, err
	}
	if s.RemoteAddr().String() != c.LocalAddr().String() {
		return nil, nil, fmt.Errorf("accepted %v, want %v", s.RemoteAddr(), c.LocalAddr())
	}
	if narrow {
		s.(*net.TCPConn).SetWriteBuffer(smallBuffer)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn), nil
}

// single is a listener of one connection.
type single struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	addr   net.Addr
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *single) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *single) Addr() net.Addr { return s.addr }

// A stage is where plays are played.
type stage struct {
	line *line
	left sync.WaitGroup // of handlers and guards of plays that are over
}

// play plays a script, and returns what was seen.
func (st *stage) play(sc script, guarded bool, at pace) (observation, error) {
	tcp, accepted, err := st.line.pair(sc.narrow)
	if err != nil {
		return observation{}, err
	}
	p := &play{
		script: sc, pace: at,
		orders:   make(chan int, len(sc.steps)),
		finished: make(chan struct{}),
		steps:    make([]progress, len(sc.steps)),
	}
	for i := range p.steps {
		p.steps[i] = progress{begun: make(chan struct{}), done: make(chan struct{})}
	}
	h := wrap(sc.below, http.HandlerFunc(p.serve))
	var guard *closeguard.Guard
	if guarded {
		guard, err = closeguard.New(closeguard.Options{
			CloseIdle: at.idle, CloseTimeout: 20 * at.idle, BareClose: closeguard.NoClose,
			Observers: []closeguard.Observer{closeguard.ObserverFunc(func(context.Context, closeguard.Event) {})},
			ErrorLog:  slog.New(slog.NewTextHandler(&p.guard, nil)),
		})
		if err != nil {
			return observation{}, err
		}
		h = guard.Middleware(h)
	}
	listener := &single{conns: make(chan net.Conn, 1), closed: make(chan struct{}), addr: accepted.LocalAddr()}
	listener.conns <- accepted
	server := &http.Server{Handler: p.catch(wrap(sc.above, h)), ErrorLog: log.New(&p.server, "", 0)}
	st.left.Go(func() { server.Serve(listener) })

	c := newClient(tcp, sc, at.idle)
	p.perform(c)
	seen := p.observe(c)

	close(p.finished)
	close(p.orders)
	c.cut()
	server.Close()
	accepted.Close() // wakes whatever is left of the handler
	if guard != nil {
		st.left.Go(func() { guard.Close() })
	}
	return seen, nil
}

// perform does the script's steps, each when the one before is done or blocks.
func (p *play) perform(c *client) {
	blocks := p.blocks()
	ended := 0
	for i, s := range p.script.steps {
		if s.who == peer {
			c.act(s)
			p.react(i, s)
		} else {
			p.orders <- i
			limit := p.pace.done
			if blocks[i] {
				limit = p.begin
			}
			t := time.NewTimer(limit)
			select {
			case <-p.steps[i].done:
			case <-t.C:
			}
			t.Stop()
			if s.verb == writesAside {
				c.awaitFrame(p.pace.done)
			}
		}
		if n := p.endings(); n > ended {
			ended = n
			c.await(p.begin) // TCP's end is on its way to the peer
		}
	}
}

// endings counts the steps that are done and may have ended the connection.
func (p *play) endings() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i, s := range p.script.steps {
		if p.steps[i].outcome != "" && (slices.Contains(endings, s.verb) || s.verb == returns || s.verb == panics || s.verb == aborts || s.verb == detaches) {
			n++
		}
	}
	return n
}

// react gives the calls that are blocked the time to see what the peer has done
// in a step.
func (p *play) react(at int, s step) {
	switch s.verb {
	case halfCloses, closes, resets:
		// What net/http's background read does about it, nobody tells.
		time.Sleep(p.begin)
	}
	t := time.NewTimer(p.begin)
	defer t.Stop()
	for i := range at {
		if p.script.steps[i].who != handler {
			continue
		}
		select {
		case <-p.steps[i].done:
		case <-t.C:
			return
		}
	}
}

// observe waits until nothing follows any more, and tells what was seen.
func (p *play) observe(c *client) observation {
	start := time.Now()
	limit := p.idle * 5 / 2
	if p.script.pace != eager {
		limit = p.idle * 10
	}
	c.await(limit)
	if p.script.pace == never {
		close(c.hasten)
		c.await(limit)
	}
	p.settle(start.Add(limit))
	p.mu.Lock()
	defer p.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	o := observation{end: c.end, panic: p.panic, context: p.context, server: p.server.list(), guard: p.guard.list()}
	o.answer, o.frames, o.rest = split(c.received)
	o.answer = dates.ReplaceAllString(o.answer, "Date: now\r\n")
	switch after := c.endedAt.Sub(start); {
	case c.end == "":
		o.end, o.time = stillOpen, notSoon
	case after < p.idle/2:
		o.time = atOnce
	case after < p.idle*2:
		o.time = atIdle
	default:
		o.time = notSoon
	}
	for _, s := range p.steps {
		outcome := s.outcome
		select {
		case <-s.begun:
			if outcome == "" {
				outcome = blocked
			}
		default:
		}
		o.calls = append(o.calls, outcome)
	}
	switch {
	case p.running > 0:
		o.handler, o.context = "running", contextOf(p.request)
	case p.returned:
		o.handler = "returned"
	default:
		o.handler = "not called"
	}
	return o
}

var dates = regexp.MustCompile(`Date: [^\r]*\r\n`)

// settle waits for the handler's calls that what the peer did may have ended.
func (p *play) settle(until time.Time) {
	for i := range p.script.steps {
		if p.script.steps[i].who != handler {
			continue
		}
		t := time.NewTimer(max(time.Until(until), p.begin))
		select {
		case <-p.steps[i].done:
		case <-t.C:
		}
		t.Stop()
	}
	// A panic is logged when nobody can be told any more.
	for range 100 {
		p.mu.Lock()
		reached := p.panic != "" && p.panic != http.ErrAbortHandler.Error()
		p.mu.Unlock()
		if !reached || strings.Contains(strings.Join(p.server.list(), ""), "panic serving") {
			break
		}
		time.Sleep(p.begin / 10)
	}
}
