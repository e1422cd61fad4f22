// Package cause is the closed list of why WebSocket connections end.
package cause

// Cause is why a connection ended, as closeguard.Ending's Cause method tells it. Its
// String is the log key "cause", and may be a metric's label: the list is short,
// and nothing in it comes from a peer.
type Cause uint8

// The causes. Of several the first that happened counts; the event's Err has all.
const (
	// None: the Close frames say it all.
	None Cause = iota

	// EOF: the peer's stream ended without a Close.
	EOF

	// Reset: TCP was reset, or had been when something was written.
	Reset

	// TLS: a record or an alert ended the connection.
	TLS

	// Transport: reading or writing failed in another way, or somebody has closed
	// the net.Conn below the guard.
	Transport

	// ReadTimeout: a Read ran into the program's deadline, nothing came any more,
	// and the program gave up.
	ReadTimeout

	// WriteTimeout: a Write ran into the program's deadline, nothing came any more,
	// and the program gave up.
	WriteTimeout

	// Context: the context of a call ended, for which coder/websocket closes TCP.
	Context

	// HandlerError: a handler returned an error.
	HandlerError

	// Panic: a handler panicked.
	Panic

	// ProtocolError: the peer broke a rule of RFC 6455, in a frame or in its Close.
	ProtocolError

	// FrameUnsent: our Close could not be sent, because a frame was cut that can't
	// be finished.
	FrameUnsent

	// BareClose: the library closed TCP and wrote no Close frame.
	BareClose

	// PingTimeout: nothing came within Options.PingTimeout of a ping.
	PingTimeout

	// IdleTimeout: no data frame went either way for Options.IdleTimeout.
	IdleTimeout

	// MaxAge: the connection was older than Options.MaxAge.
	MaxAge

	// WriteStall: a Write was blocked for Options.WriteStall.
	WriteStall

	// CloseIdle: after our Close the peer sent no byte for Options.CloseIdle.
	CloseIdle

	// CloseTimeout: the closing handshake took longer than Options.CloseTimeout.
	CloseTimeout

	// CloseBytes: after our Close more than Options.CloseBytes came.
	CloseBytes

	// Evicted: more than Options.MaxClosing connections were closing.
	Evicted

	// Shutdown: the guard was shut down.
	Shutdown

	// Kicked: the program closed it with Guard.CloseKey or Guard.CloseFunc.
	Kicked

	// Aborted: the program ended TCP without a closing handshake.
	Aborted

	// Abandoned: the program dropped the connection without closing it.
	Abandoned
)

var words = [...]string{
	None:          "none",
	EOF:           "eof",
	Reset:         "reset",
	TLS:           "tls",
	Transport:     "transport",
	ReadTimeout:   "read_timeout",
	WriteTimeout:  "write_timeout",
	Context:       "context",
	HandlerError:  "handler_error",
	Panic:         "panic",
	ProtocolError: "protocol_error",
	FrameUnsent:   "frame_unsent",
	BareClose:     "bare_close",
	PingTimeout:   "ping_timeout",
	IdleTimeout:   "idle_timeout",
	MaxAge:        "max_age",
	WriteStall:    "write_stall",
	CloseIdle:     "close_idle",
	CloseTimeout:  "close_timeout",
	CloseBytes:    "close_bytes",
	Evicted:       "evicted",
	Shutdown:      "shutdown",
	Kicked:        "kicked",
	Aborted:       "aborted",
	Abandoned:     "abandoned",
}

// String returns the cause in one word, such as "ping_timeout".
func (c Cause) String() string {
	if int(c) >= len(words) {
		return "unknown"
	}
	return words[c]
}

// OfTransport reports whether TCP ended by itself: neither the program nor the guard ended
// it, but the peer, or something in between, and nobody can tell which.
func (c Cause) OfTransport() bool {
	switch c {
	case EOF, Reset, TLS, Transport:
		return true
	case None, ReadTimeout, WriteTimeout, Context, HandlerError, Panic, ProtocolError, FrameUnsent, BareClose,
		PingTimeout, IdleTimeout, MaxAge, WriteStall, CloseIdle, CloseTimeout, CloseBytes, Evicted, Shutdown,
		Kicked, Aborted, Abandoned:
	}
	return false
}

// All returns the causes in the order of their numbers, for who counts each.
func All() []Cause {
	all := make([]Cause, len(words))
	for i := range all {
		all[i] = Cause(i)
	}
	return all
}
