package closeguard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// link is one connection from the opening handshake to the close event. The
// program holds a [Conn], which points here; the guard's set, the goroutines
// that finish a closing handshake and the request's context point here too and
// never at the Conn, so that a dropped Conn can be collected.
//
// What happens is told to the closing machine, and the loop in run carries out
// what the machine decides. A frame's way: inbound.go scans what the library
// gets, write.go what it sends, the machine says what a Close means.
//
// What only one idea needs is in a type of its own, with the methods that work on
// it: opening, inbound and outbound, transport, lifetime, ending and in it ownClose
// and lingerer, audience, identity. Those that act by themselves point back
// here, and mu guards them, too.
//
// mu guards the state and is never held over I/O: whoever reads or writes takes
// the direction's lock instead. It is given up in yield and in the direction's
// lock, and in functions whose names end in Yielding.
type link struct {
	identity

	mu     sync.Mutex
	raw    transport // without a net.Conn until the program hijacks or wraps it
	conn   weak.Pointer[Conn]
	ended  finality
	phase  phase
	role   Role
	errand errand
	traits
	handover  handover
	app       closing.App
	bareClose int16 // a Code, in place of Options.BareClose; 0: that counts

	in  inbound
	out outbound

	place int32 // in the guard's links, guarded by its mu, from 1 on; 0: it isn't there
	alarm int32 // in the guard's alarms, which it belongs to

	opening  *opening  // nil when the opening handshake is over
	end      *ending   // nil while nothing points to an end
	life     *lifetime // nil if no lifetime is limited
	audience *audience // nil if nobody is to be told
}

// finality is how final the end is, for whoever doesn't have mu. It only grows.
type finality struct{ atomic.Uint32 }

const (
	known uint32 = iota + 1 // the library has closed its net.Conn, or a call has returned the end
	final                   // TCP is closed, and nothing more will be known
)

// grow is for whoever has mu.
func (f *finality) grow(to uint32) { f.Store(max(f.Load(), to)) }

// late reports whether a call that begins now comes after the end.
func (f *finality) late() bool { return f.Load() >= known }

// final reports whether nothing more will be known.
func (f *finality) final() bool { return f.Load() >= final }

// traits are what the guard knows about a connection's transport and library.
type traits struct {
	library library

	// resumable: a Write that was cut by a deadline says exactly how much
	// left, and can be gone on with. Not so with TLS.
	resumable bool
}

// library is what is known of the library, guarded by the link's mu.
type library uint8

const (
	claimed        library = 1 << iota // an adapter has the connection
	eofEndsMessage                     // it takes io.EOF for the end of a message (rule 8)
)

// has reports whether this is known.
func (l library) has(this library) bool { return l&this != 0 }

// instant is a time on the guard's clock, which is never 0.
type instant = time.Duration

// newLink is a connection of which nothing is known but the request.
func (g *Guard) newLink(ctx context.Context, info ConnInfo) *link {
	l := &link{role: info.Role}
	l.begin(g, &info)
	l.opening = &opening{link: l, ctx: ctx}
	l.in.scan.Masked = info.Role != Client // what is neither is a server
	l.out.scan.Masked = info.Role == Client
	return l
}

// yield gives mu up while f runs: what may block, and the program's own code. A
// panic in f, or its goroutine's end, goes on with mu held again.
func (l *link) yield(f func()) {
	l.mu.Unlock()
	defer l.mu.Lock()
	f()
}

// disableFast makes every Read and Write look at the state from now on.
func (l *link) disableFast() {
	l.in.DisableFast()
	l.out.DisableFast()
}

// enableFast lets Reads and Writes pass without a look at the state while there is
// nothing to see there.
func (l *link) enableFast() {
	if l.phase == phaseOpen && l.end == nil && !l.app.Closed && l.life == nil && l.traffic() == nil {
		l.in.EnableFast()
		l.out.EnableFast()
	}
}

// on tells the machine what has happened. What follows is for run.
func (l *link) on(in closing.Input) {
	e := l.needEnding()
	e.On(in, l.guard.now())
	e.noteBegin()
}

// happened tells the machine what has happened, and carries out what follows.
func (l *link) happened(in closing.Input) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on(in)
	l.run()
}

// facts are what the machine can't know.
func (l *link) facts() closing.Facts {
	writing, last := l.out.Locked(), l.in.LastActive()
	if l.end != nil {
		last = max(last, l.end.acked)
	}
	return closing.Facts{
		Reading:  l.in.Locked(),
		Writing:  writing,
		Between:  !writing && l.guard.joints.between(l), // else the scanner is the writer's
		LastByte: last,
		App:      l.app,
	}
}

// run carries out what the machine decides, in goroutines of the guard's.
func (l *link) run() {
	for l.step((*ownClose).writeLater, l.closeTCPLater) {
	}
}

// runYielding is run by a call of the library's, which closes TCP by itself where
// that takes no time.
func (l *link) runYielding() {
	for l.step((*ownClose).writeLater, l.closeTCPYielding) {
	}
}

// pushYielding is runYielding by a call that also sends our Close by itself if a
// moment is enough: the process may end right behind it. It reports whether it
// has given it that moment.
func (l *link) pushYielding() (waited bool) {
	send := func(ours *ownClose, a closing.Action) {
		if waited {
			ours.writeLater(a)
		} else {
			waited = ours.writeYielding(a)
		}
	}
	returned := false
	defer func() {
		if !returned {
			l.run() // the transport has broken off
		}
	}()
	for l.step(send, l.closeTCPYielding) {
	}
	returned = true
	return waited
}

// step carries out one action and reports whether there may be another one. It
// is the only place where actions are carried out.
func (l *link) step(send func(*ownClose, closing.Action), end func(closing.Manner)) bool {
	if l.end == nil || l.phase == phaseHTTP || l.phase == phasePassthrough {
		return false
	}
	l.noteEnd()
	switch a := l.end.Next(l.facts(), l.guard.now()); a.Do {
	case closing.SendClose:
		l.out.LockNow()
		l.guard.joints.drop(l)
		send(&l.end.ours, a)
	case closing.Linger:
		l.end.linger.start()
	case closing.Look:
		l.guard.lookers.Do(l.end.linger.look)
	case closing.HalfClose:
		l.guard.closers.Do(func() {
			defer l.survive()
			l.raw.halfClose()
		})
	case closing.EndTCP:
		l.guard.alarms.Set(l, 0)
		end(a.How)
	case closing.Report:
		l.report()
	case closing.Wait:
		l.schedule()
		l.in.Broadcast()
		l.out.Broadcast()
		return false
	}
	return true
}

// schedule makes sure that Wake is called when something is due if nothing happens
// until then. One that is called too early looks again, so an alarm is never put
// off.
func (l *link) schedule() {
	if l.phase != phaseOpen {
		return
	}
	due := closing.ProgramsTurn
	if l.end != nil {
		due = l.end.Due(l.facts())
		if l.end.Out() == closing.Pending && l.end.sent == (flow{}) && l.out.Locked() {
			l.end.lookAtAcks(l.raw, l.guard.now()) // what is acknowledged from now on counts
		}
	}
	if l.end.awaitsWord() && (due <= 0 || l.end.word < due) {
		due = l.end.word
	}
	if at, _ := l.life.next(); at > 0 && (due <= 0 || at < due) {
		due = at
	}
	if due > 0 {
		l.guard.alarms.Advance(l, due)
	}
}

// Place is where the guard's alarms keep the place of the link's.
func (l *link) Place() *int32 { return &l.alarm }

// Wake does what is due.
func (l *link) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		l.end.lookAtAcks(l.raw, l.guard.now())
		l.end.On(closing.Tick{Facts: l.facts()}, l.guard.now())
		l.run()
		l.end.lookAtWord(l.guard.now())
	}
	l.life.tick()
	l.schedule()
}
