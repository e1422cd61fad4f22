package closeguard

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"weak"

	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// link is one connection from the opening handshake to the close event. The
// program holds a [Conn], which points here; the guard's set, the goroutine
// that finishes a closing handshake and the request's context point here too
// and never at the Conn, so that a dropped Conn can be collected.
//
// mu guards the state and is never held over I/O: whoever reads or writes
// takes the direction's lock instead. A frame's way: read.go scans what the
// library gets, write.go what it sends, handshake.go says what a Close means,
// and settle, below, does what follows.
type link struct {
	guard *Guard
	ctx   context.Context // of the request that made it
	identity

	mu    sync.Mutex
	raw   net.Conn // nil until the program hijacks or wraps it
	conn  weak.Pointer[Conn]
	over  atomic.Bool // the ending is final, TCP is closed
	phase phase
	role  Role
	traits

	closed  bool // the library has closed its net.Conn
	serving bool // a handler is running: closed is only a mark, see Conn.Serve
	beneath bool // the handler runs below the middleware, which would see it panic
	ending  bool // a goroutine is closing TCP

	reported bool // the close event is with the observers
	busy     bool // a shutdown shall wait, see Conn.Busy
	waited   bool // a shutdown waits

	in, out         sched.IOMutex
	inScan, outScan wire.Scanner // whoever has the direction's lock needs no mu for its scanner

	opened instant

	place int32   // in the guard's links, guarded by its mu, from 1 on; 0: it isn't there
	alarm int32   // in the guard's alarms, which it belongs to
	wake  instant // when the alarm rings, 0: it isn't set

	*opening               // nil when the opening handshake is over
	*closing               // calm until something points to an end; see needClosing
	life     *lifetime     // nil if no lifetime is limited
	watched  *watch        // contexts of calls, see Call
	mail     *mail         // nil if there is nothing to tell
	done     chan struct{} // made when somebody waits
}

// phase is how far the opening handshake is.
type phase uint8

const (
	phaseHTTP  phase = iota // before the end of a 101's head
	phaseOpen               // frames follow
	phasePlain              // no WebSocket: whatever comes passes, for ever
	phaseTold               // a Witness: there is no transport
)

// traits are what the guard knows about a connection's transport and library.
type traits struct {
	claimed bool // an adapter has it

	// resumable: a Write that was cut by a deadline says exactly how much
	// left, and can be gone on with. Not so with TLS.
	resumable bool

	// trusting: the library takes io.EOF for the end of a message (rule 8).
	trusting bool
}

// opening is what is needed until the end of the opening handshake.
type opening struct {
	upgrade *upgrade  // a server's request, once it was hijacked
	head    wire.Head // of the answer
	early   []byte    // what the peer sent before the 101 was out
	proxied bool      // a client asked a proxy to CONNECT
}

// instant is a time on the guard's clock, which is never 0.
type instant = time.Duration

// newLink is a connection of which nothing is known but the request.
func (g *Guard) newLink(ctx context.Context, info ConnInfo) *link {
	l := &link{guard: g, ctx: ctx, closing: calm}
	l.identify(info)
	l.opening = new(opening)
	l.inScan.Masked = info.Role == Server
	l.outScan.Masked = info.Role == Client
	return l
}

// attach gives the link its transport.
func (l *link) attach(raw net.Conn) {
	l.raw = raw
	l.resumable = !speaksTLS(raw)
	if a := raw.RemoteAddr(); l.remote == "" && a != nil {
		l.remote = a.String()
	}
}

// arm begins the guarded part: the opening handshake has succeeded (rule 0).
func (l *link) arm() {
	if u := l.upgrade; u != nil {
		// The program's own code runs without mu.
		l.mu.Unlock()
		route, attrs := u.known()
		l.mu.Lock()
		defer u.settle()
		if l.phase != phaseHTTP {
			return // closed meanwhile
		}
		u.request = nil // from here on it is the program's alone
		l.route = route
		if len(attrs) > 0 {
			labels := l.needLabels()
			labels.attrs = append(attrs, labels.attrs...)
		}
	}
	early := l.early
	l.opening = nil
	l.phase = phaseOpen
	l.opened = l.guard.now()
	l.in.Touch(l.opened)
	l.life = l.guard.newLife(l.opened)
	late := l.guard.add(l)
	l.tellOpened()
	l.scanIn(early)
	l.schedule()
	if late != nil {
		late.join(l)
		go l.shutDown(late)
	}
}

// lastByte is when the peer's last byte came.
func (l *link) lastByte() instant { return l.in.LastActive() }

// attend makes every Read and Write look at the state from now on.
func (l *link) attend() {
	l.in.DisableFast()
	l.out.DisableFast()
}

// relax lets Reads and Writes pass without a look at the state while there is
// nothing to see there.
func (l *link) relax() {
	if l.phase == phaseOpen && l.closing == calm && !l.closed && l.life == nil {
		l.in.EnableFast()
		l.out.EnableFast()
	}
}

// settle does what follows from the state; everything that changes it calls
// this. It is the only place that ends a connection.
func (l *link) settle() {
	if l.phase != phaseOpen || l.ending || l.quiet() {
		return
	}
	l.tryFlush()
	gone := l.gone()
	switch {
	case l.hs.aborted, l.limit != nil, l.undecided:
		l.end()
	case l.hs.complete():
		if l.hs.down == nil && (l.role == Client || l.late) {
			l.drain(true)
		} else {
			l.end()
		}
	case l.hs.down != nil && l.own == nil && (gone || l.hs.sent != nil || l.takeover || len(l.rounds) > 0):
		l.end()
	case l.hs.sent == nil && l.own == nil:
	case gone, l.takeover && !l.in.Locked():
		l.drain(false)
	}
	l.schedule()
	l.in.Broadcast()
	l.out.Broadcast()
}

// quiet reports whether nothing has happened yet that would end the connection.
func (l *link) quiet() bool { return l.closing == calm && !l.closed && l.hs.open() }

// end closes TCP and reports. It may be called inside the library, and closing
// may block, as TLS does: that is for a goroutine of its own.
func (l *link) end() {
	if l.ending {
		return
	}
	l.ending = true
	how := l.how
	switch {
	case how != orderly:
	case errors.Is(l.limit, ErrCloseBytes):
		how = cutRead
	case l.hs.aborted, l.limit != nil:
		how = cut
	}
	l.guard.alarms.Set(l, 0)
	if tcp, ok := l.raw.(*net.TCPConn); ok && how == orderly {
		tcp.Close() //nolint:errcheck // nobody is there to be told
		l.finalize()
		return
	}
	l.guard.closers.Do(func() {
		closeTransport(l.raw, how)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.decide()
		l.finalize()
	})
}

// finalize fixes the ending: TCP is closed, and nothing more will be known.
func (l *link) finalize() {
	l.needClosing().ended = l.guard.now()
	l.over.Store(true)
	if l.done != nil {
		close(l.done)
	}
	if c := l.conn.Value(); c != nil {
		runtime.SetFinalizer(c, nil) // nothing is left to be done for it
	}
	l.report()
}

// report hands the final event over, unless a handler is still running or
// panicking.
func (l *link) report() {
	if !l.over.Load() || l.serving || l.reported || l.awaitPanic() {
		return
	}
	l.reported = true
	l.guard.ended(l)
	if len(l.guard.opts.Observers) == 0 && len(l.rounds) == 0 {
		l.guard.remove(l) // there is nobody to tell
		return
	}
	ev := l.event(nil, false)
	took := ev.end().Handshake
	if l.since != 0 {
		took = max(took, l.ended-l.since) // it counts, too, while the Close can't leave
	}
	for _, r := range l.rounds {
		r.count(ev, took)
	}
	l.tell(ev)
}

// event is what is known now, with err as the caller's own cause.
func (l *link) event(err error, over bool) CloseEvent {
	switch l.hs.first {
	case nobody:
		return nil
	case byPeer:
		ev := new(PeerClosed)
		l.describe(&ev.Ending, err, over)
		if !over && ev.Err != nil {
			ev.Err = conceal(ev.Err)
		}
		return ev
	case byUs:
		ev := new(LocalClosed)
		l.describe(&ev.Ending, err, over)
		return ev
	default:
		ev := new(Dropped)
		l.describe(&ev.Ending, err, over)
		if !over && !ev.aborted && ev.Err != nil {
			ev.Err = conceal(ev.Err)
		}
		return ev
	}
}

// describe fills e in, which is zero.
func (l *link) describe(e *Ending, err error, over bool) {
	now := l.ended
	if now == 0 {
		now = l.guard.now()
	}
	e.Info = l.info()
	e.Duration = now - l.opened
	e.Idle = now - l.lastByte()
	e.Sent, e.Received, e.Intended = l.hs.sent, l.hs.received, l.hs.intended
	e.Panic = l.panic
	e.misfit, e.aborted = l.hs.misfit, l.hs.aborted
	e.guard, e.over = l.guard, over
	if l.hs.began != 0 {
		e.Handshake = now - l.hs.began
	}
	var illegal, fault, panicked error
	if l.hs.illegal != nil {
		e.illegal, e.answer, illegal = true, l.hs.illegal.Code(), l.hs.illegal
	}
	if l.hs.fault != nil {
		fault = l.hs.fault
	}
	if l.panic != nil {
		panicked = l.panic
	}
	var down error
	if !l.hs.complete() {
		down = l.hs.down
		if down == nil && l.hs.first == byTransport {
			down = l.hs.timedOut
		}
	}
	told := err
	if told == nil {
		told = l.told
	}
	e.Err = join(panicked, told, l.cause, l.limit, illegal, fault, down)
}

// mail is the events that were not yet handed to the observers; while there is
// one, a goroutine hands them over.
type mail struct{ events []Event }

// tellOpened tells the observers, if there are any, that the connection is open.
func (l *link) tellOpened() {
	if len(l.guard.opts.Observers) > 0 {
		l.tell(&Opened{Info: l.info()})
	}
}

// tell queues an event for the observers, which are called outside of
// everything, one after the other.
func (l *link) tell(ev Event) {
	if len(l.guard.opts.Observers) == 0 {
		l.forget(ev)
		return
	}
	if l.mail == nil {
		l.mail = new(mail)
		l.guard.tellers.Do(l.deliver)
	}
	l.mail.events = append(l.mail.events, ev)
}

func (l *link) deliver() {
	for {
		l.mu.Lock()
		if len(l.mail.events) == 0 {
			l.mail = nil
			l.mu.Unlock()
			return
		}
		ev := l.mail.events[0]
		l.mail.events = l.mail.events[1:]
		l.mu.Unlock()
		l.guard.observe(l.ctx, ev)
		l.mu.Lock()
		l.forget(ev)
		l.mu.Unlock()
	}
}

// forget drops the connection from the guard's set once its close event is
// delivered; the caller has mu.
func (l *link) forget(ev Event) {
	if _, ok := ev.(CloseEvent); ok {
		l.guard.remove(l)
		for _, r := range l.rounds {
			r.left(l)
		}
	}
}

// waitDone is closed when the connection has ended.
func (l *link) waitDone() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.over.Load() {
			close(l.done)
		}
	}
	return l.done
}

// manner is how TCP is closed.
type manner uint8

const (
	orderly manner = iota // the transport's own Close
	cut                   // FIN behind what was sent, and nobody waits for anything
	cutRead               // cut, and what has come is read: unread bytes would make it a reset
	reset                 // RST, at once
)

func closeTransport(raw net.Conn, how manner) {
	tcp := innermost(raw)
	switch how {
	case orderly:
		if tcp != raw {
			// TLS says goodbye first, and would wait 5 s for room to do so.
			defer time.AfterFunc(lastWait, func() { tcp.Close() }).Stop()
		}
		raw.Close()
		return
	case cut:
		closeWrite(tcp)
	case cutRead:
		closeWrite(tcp)
		if _, ok := tcp.(syscall.Conn); ok { // only the kernel resets for unread bytes
			tcp.SetReadDeadline(time.Now().Add(time.Millisecond)) //nolint:errcheck // Read tells
			io.CopyN(io.Discard, tcp, 1<<20)                      //nolint:errcheck // as much as there is
		}
	case reset:
		if c, ok := tcp.(interface{ SetLinger(sec int) error }); ok {
			c.SetLinger(0) //nolint:errcheck // Close follows
		}
	}
	tcp.Close()
	if tcp != raw {
		raw.Close() // now it can't block
	}
}

// innermost follows NetConn methods, as crypto/tls has one, to the bottom.
func innermost(nc net.Conn) net.Conn {
	for {
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		inner := w.NetConn()
		if inner == nil {
			return nc
		}
		nc = inner
	}
}

// speaksTLS reports whether there is a TLS connection in nc or below it.
func speaksTLS(nc net.Conn) bool {
	for nc != nil {
		if _, ok := nc.(interface{ HandshakeContext(context.Context) error }); ok {
			return true
		}
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return false
		}
		nc = w.NetConn()
	}
	return false
}

// closeWrite ends our direction, if the transport can.
func closeWrite(nc net.Conn) {
	if c, ok := nc.(interface{ CloseWrite() error }); ok {
		c.CloseWrite() //nolint:errcheck // what follows closes the rest
	}
}

// errClosed is what a call on a connection returns that the library closed.
func (l *link) errClosed(op string) error {
	return &net.OpError{Op: op, Net: l.raw.LocalAddr().Network(), Source: l.raw.LocalAddr(), Addr: l.raw.RemoteAddr(), Err: net.ErrClosed}
}

// isEOF tells the end of the peer's stream from a failure.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
