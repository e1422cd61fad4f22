package closeguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/sched"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Guard keeps the rules of closing for a set of connections, and knows them
// all while they are open. One is enough for a program. All methods may be
// called at the same time.
type Guard struct {
	opts Options

	clock  *sched.Clock
	alarms *sched.Alarms[*link]
	limits closing.Limits

	closers      sched.Pool // close TCP
	tellers      sched.Pool // call the observers
	freshReaders sched.Pool // read for the answers to Closes that are just out
	readers      sched.Pool // read on for the others
	lookers      sched.Pool // read once more before a limit ends a connection
	writers      sched.Pool // write Closes and pings
	blockers     sched.Pool // and where a Write can't be gone on with
	callers      sched.Pool // call functions of the program's

	lingerers lingerers
	joints    joints
	rooms     rooms

	mu          sync.Mutex
	links       []*link                       // open, or ended and not yet reported; in any order
	keys        map[string]map[*link]struct{} // open, by key
	stats       Stats                         // but for Draining
	marked      bool                          // the collector will tell when it has looked
	upgrades    int                           // requests that may still become connections
	roundabouts map[string]struct{}           // routes of which wentRound has told
	untold      int                           // events on their way to the observers
	drain       *drain                        // set by the first StartDrain, Shutdown or Close
	aborting    bool                          // Close was called: it waits for no handler
	live        int                           // connections whose TCP has not ended
	quiet       chan struct{}                 // closed when nothing is left, made by whoever waits
	allEnded    chan struct{}                 // closed when no TCP is left, made by whoever waits
	changed     chan struct{}                 // closed when Idle has something to look at, made by whoever waits
	drained     chan struct{}                 // closed when drain is set
}

// poolSize is how many goroutines of each pool work at the same time.
const poolSize = 512

// New returns a guard. The options are copied. An error names the option that it
// refuses, the value and why.
func New(opts Options) (*Guard, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Guard{
		opts:  o,
		clock: sched.NewClock(),
		limits: closing.Limits{
			Idle:  o.CloseIdle,
			Total: o.CloseTimeout,
			Gap:   min(readGap, o.CloseIdle/2), // what has come is taken before a limit ends it
			Bytes: o.CloseBytes,
		},
		keys:        make(map[string]map[*link]struct{}),
		roundabouts: make(map[string]struct{}),
		drained:     make(chan struct{}),
	}
	g.alarms = sched.NewAlarms[*link](g.clock)
	for _, p := range []*sched.Pool{&g.closers, &g.tellers, &g.readers, &g.lookers, &g.writers, &g.blockers, &g.callers} {
		p.Size = poolSize
	}
	g.freshReaders.Size = poolSize / 4
	g.readers.Size -= g.freshReaders.Size
	return g, nil
}

// now is the time on the guard's own clock.
func (g *Guard) now() instant { return g.clock.Now() }

// readGap is how long, once our Close is out, the library may leave the
// connection unread before the guard reads it.
const readGap = time.Second

// WrapConn guards a connection that no HTTP handler of the program's made,
// from its first frame on: the opening handshake must be over. The role is
// ours. What the program then reads, writes and closes is the Conn.
//
// Wrapping what this guard guards already returns the same Conn; what another
// guard guards is an error.
func (g *Guard) WrapConn(nc net.Conn, role Role) (*Conn, error) {
	if nc == nil {
		return nil, errors.New("closeguard: WrapConn: the net.Conn is nil")
	}
	if c, err := g.guarded(nc); c != nil || err != nil {
		return c, err
	}
	l := g.newLink(context.Background(), ConnInfo{Role: role})
	l.attach(nc)
	l.claim(wire.Reserved) // which extensions were agreed on, nobody says
	c := newConn(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opening.open()
	return c, nil
}

// guarded returns the Conn in nc or below it, by NetConn methods, that this
// guard guards; nil if there is none.
func (g *Guard) guarded(nc net.Conn) (*Conn, error) {
	for nc != nil {
		if c, ok := nc.(*Conn); ok {
			if c.link.guard != g {
				return nil, errOtherGuard
			}
			return c, nil
		}
		w, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = w.NetConn()
	}
	return nil, nil
}

// count gives a connection that has opened its number, with mu held.
func (g *Guard) count(l *link) {
	g.stats.Opened++
	g.stats.Open++
	l.number = g.stats.Opened
}

// add puts a connection that has just opened into the set, and returns the
// shutdown for which it came too late, if there is one.
func (g *Guard) add(l *link) (late *drain) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.links = append(g.links, l)
	l.place = int32(len(g.links)) // there are not that many ports
	g.live++
	g.count(l)
	g.lookLater()
	return g.drain
}

// remove takes a connection out of the set: its event is delivered.
func (g *Guard) remove(l *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.place != 0 {
		last := len(g.links) - 1
		g.links[l.place-1], g.links[last].place = g.links[last], l.place
		g.links[last] = nil
		g.links, l.place = g.links[:last], 0
	}
	g.wakeIfIdle()
}

// begun counts a connection that something points to the end of.
func (g *Guard) begun() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stats.Closing++
}

// ended counts a connection that has ended, and takes it out of what can be closed.
func (g *Guard) ended(l *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unkey(l)
	g.stats.ends(l.end.Record().First, l.end.counted)
	l.end.counted = false
	if l.place != 0 {
		g.live--
	}
	g.wakeIfIdle()
}

// disclaim takes what is no WebSocket out of what can be closed.
func (g *Guard) disclaim(l *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unkey(l)
}

// wakeIfIdle wakes whoever waits for the end of everything.
func (g *Guard) wakeIfIdle() {
	if g.allEnded != nil && g.live == 0 {
		close(g.allEnded)
		g.allEnded = nil
	}
	if g.quiet != nil && len(g.links) == 0 && g.untold == 0 && (g.upgrades == 0 || g.aborting) {
		close(g.quiet)
		g.quiet = nil
	}
	if g.changed != nil && g.stats.Closing <= 1 { // that one may be Idle's caller's
		close(g.changed)
		g.changed = nil
	}
}

// telling counts an event that is on its way to the observers, and told one that they
// know.
func (g *Guard) telling() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.untold++
}

func (g *Guard) told() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.untold--
	g.wakeIfIdle()
}

// observe tells all observers of one event.
func (g *Guard) observe(ctx context.Context, ev Event) { g.observeFrom(0, ctx, ev) }

// observeFrom tells the observers from the i-th on. One that ends its goroutine,
// as a test's FailNow does, keeps none of the others from being told.
func (g *Guard) observeFrom(i int, ctx context.Context, ev Event) {
	if i == len(g.opts.Observers) {
		return
	}
	defer g.observeFrom(i+1, ctx, ev)
	g.protect(ctx, "Observer", func() { g.opts.Observers[i].Observe(ctx, ev) })
}

// protect runs a callback of the program's and logs its panic.
func (g *Guard) protect(ctx context.Context, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			g.logPanic(ctx, what, v)
		}
	}()
	f()
}

// logPanic logs what somebody panicked with, from inside the recovering function.
func (g *Guard) logPanic(ctx context.Context, what string, v any) {
	g.logPanicAt(ctx, what, v, debug.Stack())
}

func (g *Guard) logPanicAt(ctx context.Context, what string, v any, stack []byte) {
	logPanicTo(g.errorLog(), ctx, what, v, stack)
}

func logPanicTo(log *slog.Logger, ctx context.Context, what string, v any, stack []byte) {
	log.ErrorContext(ctx, "closeguard: panic in "+what, "panic", fmt.Sprint(v), "stack", string(stack))
}

func (g *Guard) errorLog() *slog.Logger { return orDefault(g.opts.ErrorLog) }

// orDefault is what a program gets that chose no logger. It is asked anew for each line.
func orDefault(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.Default()
	}
	return log
}

// refuse tells the observers of an upgrade that came to nothing.
func (g *Guard) refuse(ctx context.Context, info ConnInfo, status int, err error) {
	if len(g.opts.Observers) == 0 {
		return
	}
	g.telling()
	ctx = context.WithoutCancel(ctx)
	g.tellers.Do(func() {
		defer g.told()
		g.observe(ctx, &Refused{ConnInfo: info, Status: status, Err: err})
	})
}

// progress tells the observers how far a shutdown is.
func (g *Guard) progress(d *drain) {
	report := d.soFar()
	g.mu.Lock()
	open := len(g.links)
	g.mu.Unlock()
	g.tellers.Do(func() { g.observe(context.Background(), &Progress{Open: open, Report: report}) })
}

// codeName is the program's name of a code, "" if it has none.
func (g *Guard) codeName(info ConnInfo, code Code) (name string) {
	g.protect(context.Background(), "Options.CodeName", func() { name = g.opts.CodeName(info.clone(), code) })
	return name
}

// shutdownFrame and frameFor ask the program for a Close frame; the caller
// doesn't have the link's mu.
func (g *Guard) shutdownFrame(info ConnInfo) CloseFrame {
	return g.askFrame("Options.ShutdownFrame", func() CloseFrame { return g.opts.ShutdownFrame(info.clone()) })
}

func (g *Guard) frameFor(info ConnInfo, cause error) CloseFrame {
	return g.askFrame("Options.CloseFrameFor", func() CloseFrame { return g.opts.CloseFrameFor(info.clone(), cause) })
}

// askFrame asks on a goroutine of its own: if the function ends that, the
// connection is closed all the same.
func (g *Guard) askFrame(what string, choose func() CloseFrame) CloseFrame {
	f := CloseFrame{Code: GoingAway}
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.protect(context.Background(), what, func() { f = choose() })
	}()
	<-done
	return f
}
