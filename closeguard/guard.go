package closeguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// NoClose as Options.BareClose switches the Close frame for a bare close off.
const NoClose Code = -1

// Options are what a [Guard] is made with. The zero value is all defaults;
// a negative number is an error except where it says otherwise.
type Options struct {
	// Observers are told of every event. Default: none.
	Observers []Observer

	// CloseIdle is how long, from our Close on, the peer may send no byte
	// before the connection is ended. Default 0: 5 s, or CloseTimeout if that
	// is shorter.
	CloseIdle time.Duration

	// CloseTimeout is how long the closing handshake may take in all, from the
	// moment a Close of ours is due. Default 0: 30 s, or CloseIdle if that is
	// longer. A client that is still uploading learns the code only if it
	// finishes within this time.
	CloseTimeout time.Duration

	// CloseBytes is how many bytes are read and discarded, per connection,
	// while the closing handshake is awaited. Default 0: 32 MiB.
	CloseBytes int64

	// MaxClosing is how many connections may be finishing their closing
	// handshake in the background; over that, the one longest without a byte
	// from its peer is ended. Those closed by Shutdown don't count. Default 0: 4096.
	MaxClosing int

	// BareClose is the code that is sent where a library closes TCP without a
	// Close frame. Default 0: 1001. NoClose: none is sent; right below a
	// reverse proxy, where a broken backend must not look like a tidy close.
	BareClose Code

	// ShutdownFrame chooses the Close frame that Shutdown sends. An illegal
	// one is replaced by the nearest legal one and reported. Default nil: 1001
	// "server shutting down".
	ShutdownFrame func(ConnInfo) CloseFrame

	// Attrs gives a connection attributes for its log lines and events. It is
	// called once, when the request has become a WebSocket. Default nil: none.
	Attrs func(*http.Request) []slog.Attr

	// CodeName names private codes in log lines, "" for those it doesn't know.
	// Default nil: only the registry's names.
	CodeName func(ConnInfo, Code) string

	// ErrorLog takes what goes wrong in callbacks. Default nil: slog.Default.
	ErrorLog *slog.Logger
}

// OptionError says which option [New] refuses and why.
type OptionError struct {
	Field string // of Options
	Value any
	Rule  string
}

// Error names field, value and rule.
func (e *OptionError) Error() string {
	return fmt.Sprintf("closeguard: Options.%s is %v: %s", e.Field, e.Value, e.Rule)
}

// withDefaults returns a copy in which nothing is zero that has a default.
func (o Options) withDefaults() (Options, error) {
	bad := func(field string, value any, rule string) (Options, error) {
		return Options{}, &OptionError{field, value, rule}
	}
	o.Observers = slices.Clone(o.Observers)
	if i := slices.Index(o.Observers, nil); i >= 0 {
		return bad(fmt.Sprintf("Observers[%d]", i), nil, "must not be nil")
	}
	switch {
	case o.CloseIdle < 0:
		return bad("CloseIdle", o.CloseIdle, "must not be negative")
	case o.CloseTimeout < 0:
		return bad("CloseTimeout", o.CloseTimeout, "must not be negative")
	case o.CloseBytes < 0:
		return bad("CloseBytes", o.CloseBytes, "must not be negative")
	case o.MaxClosing < 0:
		return bad("MaxClosing", o.MaxClosing, "must not be negative")
	case o.CloseTimeout > 0 && o.CloseIdle > o.CloseTimeout:
		return bad("CloseIdle", o.CloseIdle, fmt.Sprintf("must not be longer than CloseTimeout, %v", o.CloseTimeout))
	}
	if o.BareClose == 0 {
		o.BareClose = GoingAway
	}
	if o.BareClose != NoClose {
		if err := (CloseFrame{Code: o.BareClose}).Validate(Server); err != nil {
			return bad("BareClose", int(o.BareClose), "must be NoClose or a code that may be sent: "+err.Error())
		}
	}
	if o.CloseIdle == 0 {
		o.CloseIdle = 5 * time.Second
		if o.CloseTimeout > 0 {
			o.CloseIdle = min(o.CloseIdle, o.CloseTimeout)
		}
	}
	if o.CloseTimeout == 0 {
		o.CloseTimeout = max(30*time.Second, o.CloseIdle)
	}
	if o.CloseBytes == 0 {
		o.CloseBytes = 32 << 20
	}
	if o.MaxClosing == 0 {
		o.MaxClosing = 4096
	}
	if o.ShutdownFrame == nil {
		o.ShutdownFrame = func(ConnInfo) CloseFrame {
			return CloseFrame{Code: GoingAway, Reason: "server shutting down"}
		}
	}
	if o.CodeName == nil {
		o.CodeName = func(ConnInfo, Code) string { return "" }
	}
	return o, nil
}

// Guard keeps the rules of closing for a set of connections, and knows them
// all while they are open. One is enough for a program. All methods may be
// called at the same time.
type Guard struct {
	opts  Options
	start time.Time

	mu       sync.Mutex
	links    map[*link]struct{} // open, or ended and not yet reported
	closing  map[*link]struct{} // finishing in the background
	opened   uint64
	upgrades int           // requests that may still become connections
	busy     int           // refusals on their way to the observers
	draining bool          // Shutdown or Close was called
	aborting bool          // Close was called: it waits for no handler
	report   *Report       // of the Shutdown under way
	quiet    chan struct{} // closed when nothing is left, made by whoever waits
}

// New returns a guard. The options are copied; the error is an [*OptionError].
func New(opts Options) (*Guard, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Guard{
		opts:    o,
		start:   time.Now(),
		links:   make(map[*link]struct{}),
		closing: make(map[*link]struct{}),
	}, nil
}

// now is the time on the guard's own clock.
func (g *Guard) now() instant { return time.Since(g.start) + 1 }

// readGap is how long a closing connection may stay unread; short enough that
// what has come is taken before a limit ends it.
func (g *Guard) readGap() instant { return min(readGap, g.opts.CloseIdle/2) }

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
	if c, err := g.Guarded(nc); c != nil || err != nil {
		return c, err
	}
	l := g.newLink(context.Background(), ConnInfo{Role: role})
	l.attach(nc)
	l.extended(true) // whether an extension was agreed on, nobody says
	c := l.handle()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arm()
	return c, nil
}

// WrapHandshake guards a client's connection on which the opening handshake is
// still to come: the guard begins its work behind the whole head of a 101, and
// does nothing if another answer comes. A proxy's answer to CONNECT is passed over.
func (g *Guard) WrapHandshake(nc net.Conn) (*Conn, error) {
	if nc == nil {
		return nil, errors.New("closeguard: WrapHandshake: the net.Conn is nil")
	}
	if c, err := g.Guarded(nc); c != nil || err != nil {
		return c, err
	}
	l := g.newLink(context.Background(), ConnInfo{Role: Client})
	l.attach(nc)
	return l.handle(), nil
}

// Guarded returns the Conn in nc or below it, by NetConn methods, that this
// guard guards; nil if there is none. That another guard guards it is an error.
func (g *Guard) Guarded(nc net.Conn) (*Conn, error) {
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

// number gives a connection its number, with mu held.
func (g *Guard) number(l *link) uint64 {
	g.opened++
	l.number = linkNumber.Add(1)
	return g.opened
}

// linkNumber counts connections across guards: an event must not be taken for
// another guard's.
var linkNumber atomic.Uint64

// add puts a connection that has just opened into the set, and says whether it
// came too late.
func (g *Guard) add(l *link) (number uint64, draining bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.links[l] = struct{}{}
	return g.number(l), g.draining
}

// remove takes a connection out of the set: its event is delivered.
func (g *Guard) remove(l *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.links, l)
	g.settle()
}

// count enters an ending in the report of a shutdown under way.
func (g *Guard) count(l *link, ev CloseEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.closing, l)
	if g.report != nil {
		g.report.count(ev)
	}
}

// settle wakes whoever waits for the end of everything.
func (g *Guard) settle() {
	if g.quiet != nil && len(g.links) == 0 && g.busy == 0 && (g.upgrades == 0 || g.aborting) {
		close(g.quiet)
		g.quiet = nil
	}
}

// linger counts a connection that finishes in the background, and evicts
// another one if they are too many.
func (g *Guard) linger(l *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing[l] = struct{}{}
	if len(g.closing) > g.opts.MaxClosing {
		go g.evict()
	}
}

// evict ends the closing connection that has gone longest without a byte.
func (g *Guard) evict() {
	g.mu.Lock()
	closing := slices.Collect(maps.Keys(g.closing))
	g.mu.Unlock()
	var oldest *link
	var since instant
	for _, l := range closing {
		l.mu.Lock()
		if at := max(l.lastByte, l.since); !l.ending && (oldest == nil || at < since) {
			oldest, since = l, at
		}
		l.mu.Unlock()
	}
	if oldest == nil || len(closing) <= g.opts.MaxClosing {
		return
	}
	g.mu.Lock()
	delete(g.closing, oldest)
	g.mu.Unlock()
	oldest.mu.Lock()
	defer oldest.mu.Unlock()
	oldest.expire(ErrEvicted)
}

// observe tells all observers of one event.
func (g *Guard) observe(ctx context.Context, ev Event) {
	for _, o := range g.opts.Observers {
		g.protect(ctx, "Observer", func() { o.Observe(ctx, ev) })
	}
}

// protect runs a callback of the program's and logs its panic.
func (g *Guard) protect(ctx context.Context, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			g.errorLog().ErrorContext(ctx, "closeguard: panic in "+what,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	f()
}

func (g *Guard) errorLog() *slog.Logger {
	if g.opts.ErrorLog != nil {
		return g.opts.ErrorLog
	}
	return slog.Default()
}

// refuse tells the observers of an upgrade that came to nothing.
func (g *Guard) refuse(ctx context.Context, info ConnInfo, status int, err error) {
	if len(g.opts.Observers) == 0 {
		return
	}
	g.mu.Lock()
	g.busy++
	g.mu.Unlock()
	go func() {
		g.observe(ctx, &Refused{Info: info, Status: status, Err: err})
		g.mu.Lock()
		defer g.mu.Unlock()
		g.busy--
		g.settle()
	}()
}

func (g *Guard) codeName(info ConnInfo, code Code) (name string) {
	if code.Name() != "" {
		return ""
	}
	g.protect(context.Background(), "Options.CodeName", func() { name = g.opts.CodeName(info.clone(), code) })
	return name
}

func (g *Guard) shutdownFrame(info ConnInfo) (f CloseFrame) {
	f = CloseFrame{Code: GoingAway}
	g.protect(context.Background(), "Options.ShutdownFrame", func() { f = g.opts.ShutdownFrame(info.clone()) })
	return f
}
