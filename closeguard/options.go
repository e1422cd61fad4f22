package closeguard

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"time"
)

// NoClose as Options.BareClose sends no Close frame for a bare close.
const NoClose Code = -1

// Options are what a [Guard] is made with. The zero value is all defaults;
// a negative number is an error except where it says otherwise. The functions
// may be called for several connections at the same time.
type Options struct {
	// Observers are told of every event. Default: none.
	Observers []Observer

	// CloseIdle is how long, from our Close on, the peer may send no byte
	// before the connection is ended. On Linux a peer that still takes what was
	// sent before our Close is there, too. Default 0: 5 s, or CloseTimeout if that
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
	// Close frame. Default 0: NoClose, none is sent, as without the guard: a
	// stream that broke off must not look complete, and to some clients 1000 and
	// 1001 are success. A program in which a bare close means something chooses
	// the code: 1001 where it leaves, 1011 where it has failed. For one connection
	// there is [Handle.SetBareClose]. A panic that the guard sees is always 1011,
	// and during a shutdown the frame is ShutdownFrame's.
	BareClose Code

	// ShutdownFrame chooses the Close frame that Shutdown sends. An illegal
	// one is replaced by the nearest legal one and reported. Default nil: 1001
	// "server shutting down".
	//
	// 1012 and 1013 say more, but some clients take them for a protocol error: see
	// [ServiceRestart]. Choose them only for clients you know.
	ShutdownFrame func(ConnInfo) CloseFrame

	// DrainWindow is the time over which a shutdown spreads its Close frames,
	// so that not all clients come back at one moment. A context that ends
	// sooner shortens it: the last Close leaves early enough to be answered.
	// Default 0: as fast as they can be written.
	DrainWindow time.Duration

	// RetryAfter is what an upgrade that a shutdown refuses is told in the
	// Retry-After header, rounded up to whole seconds. Default 0: 5 s.
	RetryAfter time.Duration

	// PingInterval is how long the peer may send nothing before the guard
	// pings it. Every byte from the peer is a sign of life. Default 0: no pings.
	PingInterval time.Duration

	// PingTimeout is how long after a ping something must have come, else the
	// connection is closed with the cause ErrPingTimeout. While the program
	// doesn't read, nothing can be told of the peer. Default 0: PingInterval.
	PingTimeout time.Duration

	// IdleTimeout is how long no part of a data frame may go either way before
	// the connection is closed with the cause ErrIdleTimeout. A Write counts
	// when it begins and when it returns. While the program doesn't read, what lies
	// unread counts as well, on Linux. Default 0: for ever.
	IdleTimeout time.Duration

	// MaxAge is how long a connection may be open before it is closed with the
	// cause ErrMaxAge, so that load spreads again after a deploy. Default 0: for ever.
	MaxAge time.Duration

	// MaxAgeJitter spreads MaxAge by this share of it, from 0 to 1, up and down, at
	// random per connection. Default 0: 0.1.
	MaxAgeJitter float64

	// WriteStall is how long a Write may be blocked by a peer that doesn't
	// read, not even 64 KiB, before the connection is closed with the cause
	// ErrWriteStall. Most often no Close frame can be sent then. Default 0: for ever.
	WriteStall time.Duration

	// CloseFrameFor chooses the Close frame for a connection whose lifetime is
	// over, by cause. An illegal one is replaced by the nearest legal one and
	// reported. Default nil: 1001 with the cause in a word, which makes clients
	// come back; 1008 for ErrWriteStall.
	CloseFrameFor func(info ConnInfo, cause error) CloseFrame

	// CountTraffic counts the messages and bytes that go either way, for close events and
	// their log lines, see [Traffic]. It costs some 200 B for each open connection, and of
	// each Read and Write a mutex and a second look at the frames' headers, and the two
	// parts of a large message of gorilla's leave by a system call each. Default false:
	// nothing is counted, and it costs nothing.
	CountTraffic bool

	// Attrs gives a connection attributes for its log lines and events. It is
	// called once, when the request has become a WebSocket, with the request as
	// the guard got it: what middleware further below has put into its context is
	// not there. For that there is [Handle.SetAttrs]. Default nil: none.
	Attrs func(*http.Request) []slog.Attr

	// Route names the route of a request in log lines and events: a pattern and not the
	// path, so that there are few of them. It is called once, when the request has been
	// answered, but not if [Handle.SetRoute] was called before. What is longer than 256
	// bytes is cut; "" is the default. Default nil: the pattern that net/http's ServeMux
	// matched, which not every router sets.
	Route func(*http.Request) string

	// Remote says who a request comes from, for log lines and events. It is called
	// once, when the request comes. What is longer than 256 bytes is cut; "" is the
	// default. Default nil: the request's RemoteAddr. Behind a proxy that is the
	// proxy: in which header the peer's address is, and whether that can be trusted,
	// the program alone knows.
	Remote func(*http.Request) string

	// CodeName names codes in log lines and in the texts of close events, before
	// the registry is asked; "" for those it doesn't know. Package catalog has the
	// names of some protocols. Default nil: only the registry's names, which are
	// also all that [Code.Name] and [Code.String] know.
	CodeName func(ConnInfo, Code) string

	// ErrorLog takes what goes wrong in callbacks. Default nil: slog.Default.
	ErrorLog *slog.Logger
}

// badOption says which option New refuses and why.
func badOption(field string, value any, rule string) error {
	return badField("Options."+field, value, rule)
}

func badField(field string, value any, rule string) error {
	return fmt.Errorf("closeguard: %s is %v: %s", field, value, rule)
}

// forever is 73 years: instants can be added to it.
const forever = time.Duration(math.MaxInt64 / 4)

// withDefaults returns a copy in which nothing is zero that has a default.
func (o Options) withDefaults() (Options, error) {
	if err := o.check(); err != nil {
		return Options{}, err
	}
	o.Observers = slices.Clone(o.Observers)
	for _, d := range o.durations() {
		*d.value = min(*d.value, forever)
	}
	if o.BareClose == 0 {
		o.BareClose = NoClose
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
	if o.RetryAfter == 0 {
		o.RetryAfter = 5 * time.Second
	}
	if o.PingTimeout == 0 {
		o.PingTimeout = o.PingInterval
	}
	if o.MaxAgeJitter == 0 {
		o.MaxAgeJitter = 0.1
	}
	if o.CloseFrameFor == nil {
		o.CloseFrameFor = defaultFrameFor
	}
	if o.CodeName == nil {
		o.CodeName = func(ConnInfo, Code) string { return "" }
	}
	return o, nil
}

// check returns an error for the first value that makes no sense.
func (o *Options) check() error {
	if i := slices.Index(o.Observers, nil); i >= 0 {
		return badOption(fmt.Sprintf("Observers[%d]", i), nil, "must not be nil")
	}
	for _, d := range o.durations() {
		if *d.value < 0 {
			return badOption(d.field, *d.value, "must not be negative")
		}
	}
	switch {
	case o.CloseBytes < 0:
		return badOption("CloseBytes", o.CloseBytes, "must not be negative")
	case o.MaxClosing < 0:
		return badOption("MaxClosing", o.MaxClosing, "must not be negative")
	case !(o.MaxAgeJitter >= 0 && o.MaxAgeJitter <= 1): // also NaN
		return badOption("MaxAgeJitter", o.MaxAgeJitter, "must be from 0 to 1")
	case o.PingTimeout > 0 && o.PingInterval == 0:
		return badOption("PingTimeout", o.PingTimeout, "needs a PingInterval")
	case o.CloseTimeout > 0 && o.CloseIdle > o.CloseTimeout:
		return badOption("CloseIdle", o.CloseIdle, fmt.Sprintf("must not be longer than CloseTimeout, %v", o.CloseTimeout))
	case o.BareClose != 0 && o.BareClose != NoClose:
		if err := (CloseFrame{Code: o.BareClose}).Validate(Server); err != nil {
			return badOption("BareClose", int(o.BareClose), "must be NoClose or a code that may be sent: "+err.Error())
		}
	}
	return nil
}

// durationOption is one of the options that are a time, by name.
type durationOption struct {
	field string
	value *time.Duration
}

func (o *Options) durations() []durationOption {
	return []durationOption{
		{"CloseIdle", &o.CloseIdle}, {"CloseTimeout", &o.CloseTimeout}, {"DrainWindow", &o.DrainWindow},
		{"RetryAfter", &o.RetryAfter}, {"PingInterval", &o.PingInterval}, {"PingTimeout", &o.PingTimeout},
		{"IdleTimeout", &o.IdleTimeout}, {"MaxAge", &o.MaxAge}, {"WriteStall", &o.WriteStall},
	}
}

// defaultFrameFor is the default of Options.CloseFrameFor.
func defaultFrameFor(_ ConnInfo, cause error) CloseFrame {
	switch {
	case errors.Is(cause, ErrPingTimeout):
		return CloseFrame{Code: GoingAway, Reason: "ping timeout"}
	case errors.Is(cause, ErrIdleTimeout):
		return CloseFrame{Code: GoingAway, Reason: "idle timeout"}
	case errors.Is(cause, ErrMaxAge):
		return CloseFrame{Code: GoingAway, Reason: "maximum age reached"}
	default:
		return CloseFrame{Code: PolicyViolation, Reason: "too slow"}
	}
}
