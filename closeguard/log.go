package closeguard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard/cause"
)

// LogObserver logs each event as one line, which is its [LogRecord]. With a nil
// logger it uses slog.Default, asked anew for each line. For other levels and keys there
// is [LogOptions].
func LogObserver(logger *slog.Logger) Observer { return LogOptions{Logger: logger}.Observer() }

// LogOptions are for log lines with other levels and keys than those of [LogRecord]. The
// zero value is LogObserver(nil). The functions may be called for several connections at
// the same time.
type LogOptions struct {
	// Logger takes the lines. Default nil: slog.Default, asked anew for each line.
	Logger *slog.Logger

	// Level chooses the level of each line; that of LogRecord is the one to go by.
	// Default nil: that of LogRecord.
	Level func(Event) slog.Level

	// Attrs are the attributes of a line that is logged, of any names and in any groups:
	// ev.LogValue().Group() are those that the group "websocket" has, and
	// ev.Connection().Attrs the connection's own. Both are copies, to be filtered,
	// renamed and put together. Default nil: those of LogRecord.
	Attrs func(Event) []slog.Attr
}

// Observer returns an observer that logs each event as one line. The message is that of
// [LogRecord].
func (o LogOptions) Observer() Observer {
	if o.Level == nil {
		o.Level = level
	}
	return ObserverFunc(func(ctx context.Context, ev Event) {
		handler, level := orDefault(o.Logger).Handler(), o.Level(ev)
		if !handler.Enabled(ctx, level) {
			return
		}
		record := slog.NewRecord(time.Now(), level, message(ev), 0)
		if o.Attrs != nil {
			record.AddAttrs(o.Attrs(ev)...)
		} else {
			describe(&record, ev)
		}
		handler.Handle(ctx, record) //nolint:errcheck // a Logger doesn't look at it either
	})
}

// logGroup is the key of the group in which a log line tells an event.
const logGroup = "websocket"

// LogRecord returns an event's log line without a time: its level, its message, such
// as "websocket closed", one group "websocket", and beside it the connection's own
// attributes. [LogOptions] choose other levels and keys; an [Observer] that wants another
// message changes it, and one with another logger, such as zap's, translates it. The
// group alone is slog.Any of an event.
//
// The level goes by fault. Error: panics, a 1011 that we began, an illegal Close that
// we intended. Warn: 1002, 1003, 1007, 1009 and 1010 either way, a broken rule of
// framing, an unanswered Close, a Close that could not be sent, a limit of the closing
// handshake. Debug: an opened connection. Info: all else, peers that vanish included.
// On a connection that isn't guarded a missing answer is no fault: libraries hide what
// they answer. A [More] has the highest level of what it sums.
//
// Strings in the group are valid UTF-8, at most 256 bytes long, 1024 for an error, and
// may hold what a peer chose, control characters included: a handler must escape
// them, as those of log/slog do.
func LogRecord(ev Event) slog.Record {
	record := slog.NewRecord(time.Time{}, level(ev), message(ev), 0)
	describe(&record, ev)
	return record
}

// describe gives a line the attributes that it has unless LogOptions choose others.
func describe(record *slog.Record, ev Event) {
	record.AddAttrs(slog.Any(logGroup, ev))
	record.AddAttrs(ev.Connection().Attrs...)
}

func message(ev Event) string {
	switch e := ev.(type) {
	case *Opened:
		return "websocket opened"
	case *Refused:
		return "websocket refused"
	case *Progress:
		return "websocket shutdown"
	case *More:
		what := "closed"
		if e.Kind == refused {
			what = refused
		}
		return fmt.Sprintf("websocket %s, %d more like this", what, e.Count)
	default:
		return "websocket closed"
	}
}

func level(ev Event) slog.Level {
	switch e := ev.(type) {
	case *Opened:
		return slog.LevelDebug
	case *PeerClosed:
		return e.level(!e.Answered())
	case *LocalClosed:
		if e.Sent != nil && e.Sent.Code == InternalError {
			return slog.LevelError
		}
		return e.level(!e.Answered())
	case *Dropped:
		return e.level(false)
	case *More:
		return e.level
	default:
		return slog.LevelInfo
	}
}

// faultCodes tell that one side broke a rule of the other's.
var faultCodes = []Code{ProtocolError, UnsupportedData, InvalidFramePayloadData, MessageTooBig, MandatoryExtension}

func (e *Ending) level(unanswered bool) slog.Level {
	fault := func(f *CloseFrame) bool { return f != nil && slices.Contains(faultCodes, f.Code) }
	is := func(target error) bool { return errors.Is(e.Err, target) }
	_, panicked := find[*PanicError](e.Err)
	_, broken := find[*FrameError](e.Err)
	switch {
	case panicked, e.misfit:
		return slog.LevelError
	case unanswered && !e.ongoing && e.Guarded, e.Intended != nil && e.aborted, fault(e.Sent), fault(e.Received), broken,
		is(ErrCloseIdle), is(ErrCloseTimeout), is(ErrCloseBytes), is(ErrEvicted):
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// LogValue is the group "websocket" of an opened connection's log line.
func (o *Opened) LogValue() slog.Value {
	return slog.GroupValue(o.appendAttrs(nil)...)
}

// LogValue is the group "websocket" of a shutdown's log line.
func (p *Progress) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.Int("open", p.Open)}, p.Report.LogValue().Group()...)...)
}

// LogValue is the group "websocket" of a refused request's log line.
func (r *Refused) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("status", r.Status)}
	attrs = appendErr(attrs, r.Err)
	return slog.GroupValue(r.appendAttrs(attrs)...)
}

// LogValue is the group "websocket" of a sum's log line.
func (m *More) LogValue() slog.Value {
	var attrs []slog.Attr
	if m.Kind != refused {
		attrs = append(attrs, slog.String("ending", m.Kind))
	}
	if m.Code != 0 {
		attrs = appendText(append(attrs, slog.Int("code", int(m.Code))), "name", m.Code.Name())
	}
	if m.Status != 0 {
		attrs = append(attrs, slog.Int("status", m.Status))
	}
	if m.Kind != refused || m.Cause != cause.None {
		attrs = append(attrs, slog.String("cause", m.Cause.String()))
	}
	return slog.GroupValue(append(attrs, slog.Uint64("more", m.Count), slog.Int64("over_ms", m.Over.Milliseconds()))...)
}

// LogValue is the group "websocket" of the connection's log line.
func (e *PeerClosed) LogValue() slog.Value { return e.logValue(e.Kind(), e.Code(), e.Received) }

// LogValue is the group "websocket" of the connection's log line.
func (e *LocalClosed) LogValue() slog.Value { return e.logValue(e.Kind(), e.Code(), e.Sent) }

// LogValue is the group "websocket" of the connection's log line.
func (e *Dropped) LogValue() slog.Value { return e.logValue(e.Kind(), e.Code(), nil) }

// logValue is the one place that says which keys a log line has, and in which
// order; zaplog and the echo example's closes.json use it too. The deciding frame
// is the one whose code the connection's is, nil if there is none.
func (e *Ending) logValue(kind string, code Code, deciding *CloseFrame) slog.Value {
	ms := func(key string, d time.Duration) slog.Attr { return slog.Int64(key, d.Milliseconds()) }
	attrs := make([]slog.Attr, 0, 24) // as many as there are keys without those of Traffic
	attrs = append(attrs, slog.String("ending", kind), slog.Int("code", int(code)))
	attrs = appendText(attrs, "name", e.name(code))
	if deciding != nil {
		attrs = appendText(attrs, "reason", deciding.Reason)
	}
	attrs = append(attrs,
		slog.String("cause", e.cause.String()),
		slog.Bool("clean", e.Clean()),
		slog.Bool("answered", e.Answered()))
	attrs = appendFrame(attrs, "sent", e.Sent)
	attrs = appendFrame(attrs, "received", e.Received)
	attrs = appendFrame(attrs, "intended", e.Intended)
	attrs = appendErr(attrs, e.Err)
	attrs = append(attrs, ms("duration_ms", e.Duration), ms("idle_ms", e.Idle))
	if e.Handshake > 0 {
		attrs = append(attrs, ms("handshake_ms", e.Handshake))
	}
	attrs = e.Traffic.appendAttrs(attrs)
	return slog.GroupValue(e.appendAttrs(attrs)...)
}

// name is what the program calls a code, or else the registry; "" if neither does.
func (e *Ending) name(code Code) string {
	if e.guard != nil {
		if name := e.guard.codeName(e.ConnInfo, code); name != "" {
			return name
		}
	}
	return code.Name()
}

func appendFrame(attrs []slog.Attr, key string, f *CloseFrame) []slog.Attr {
	if f == nil {
		return attrs
	}
	return appendText(append(attrs, slog.Int(key+"_code", int(f.Code))), key+"_reason", f.Reason)
}

const (
	maxText = 256  // bytes of a string in a log line
	maxErr  = 1024 // bytes of an error
)

func appendText(attrs []slog.Attr, key, value string) []slog.Attr {
	if value == "" {
		return attrs
	}
	return append(attrs, slog.String(key, clip(value, maxText)))
}

func appendErr(attrs []slog.Attr, err error) []slog.Attr {
	if err == nil {
		return attrs
	}
	return append(attrs, slog.String("err", clip(oneLine(err), maxErr)))
}

// oneLine is a cause as log lines tell it: of several each in a few words, the
// lines of one that has several, as errors.Join makes them, one after the other.
func oneLine(err error) string {
	switch e := err.(type) { //nolint:errorlint // only these two hide what causeText knows to shorten
	case *concealedError:
		return oneLine(e.err)
	case *joinedError:
		parts := make([]string, len(e.errs))
		for i, part := range e.errs {
			parts[i] = oneLine(part)
		}
		return strings.Join(parts, "; ")
	}
	text := causeText(err)
	if !strings.ContainsAny(text, "\r\n") {
		return text
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' })
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "; ")
}

// clip makes s valid UTF-8 of at most n bytes.
func clip(s string, n int) string {
	return cutAt(strings.ToValidUTF8(cutAt(s, n), "\uFFFD"), n)
}

// cutAt ends s before the character that doesn't fit into n bytes.
func cutAt(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (i *ConnInfo) appendAttrs(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs,
		slog.Uint64("conn", i.Number),
		slog.String("role", i.Role.String()),
		slog.Bool("guarded", i.Guarded),
		slog.String("remote", clip(i.Remote, maxText)))
	attrs = appendText(attrs, "route", i.Route)
	attrs = appendText(attrs, "path", i.Path)
	attrs = appendText(attrs, "subprotocol", i.Subprotocol)
	return appendText(attrs, "offered", strings.Join(i.Offered, ", "))
}
