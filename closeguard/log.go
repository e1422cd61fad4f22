package closeguard

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

// LogObserver logs each event as one line: "websocket closed" at the event's
// [Level], "websocket opened" at debug, "websocket refused" at info, with one
// group "websocket" and beside it the connection's own attributes. With a nil
// logger it uses slog.Default, asked anew for each line.
func LogObserver(logger *slog.Logger) Observer {
	return ObserverFunc(func(ctx context.Context, ev Event) {
		l := logger
		if l == nil {
			l = slog.Default()
		}
		level := Level(ev)
		if !l.Enabled(ctx, level) {
			return
		}
		attrs := append([]slog.Attr{slog.Any(LogGroup, ev)}, ev.Connection().Attrs...)
		l.LogAttrs(ctx, level, LogMessage(ev), attrs...)
	})
}

// LogGroup is the key of the group in which a log line tells an event.
const LogGroup = "websocket"

// LogMessage returns the message of an event's log line, such as "websocket closed".
func LogMessage(ev Event) string {
	switch ev.(type) {
	case *Opened:
		return "websocket opened"
	case *Refused:
		return "websocket refused"
	default:
		return "websocket closed"
	}
}

// Level returns the level at which an event belongs in a log, by fault. Error:
// panics, a 1011 that we began, an illegal Close that we intended. Warn: 1002,
// 1003, 1007, 1009 and 1010 either way, a broken rule of framing, an unanswered
// Close, a Close that could not be sent, a limit that was reached. Debug: an
// opened connection. Info: all else, peers that vanish included.
func Level(ev Event) slog.Level {
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
	default:
		return slog.LevelInfo
	}
}

// faultCodes tell that one side broke a rule of the other's.
var faultCodes = []Code{ProtocolError, UnsupportedData, InvalidFramePayloadData, MessageTooBig, MandatoryExtension}

func (e *Ending) level(unanswered bool) slog.Level {
	fault := func(f *CloseFrame) bool { return f != nil && slices.Contains(faultCodes, f.Code) }
	is := func(target error) bool { return errors.Is(e.Err, target) }
	var broken *FrameError
	switch {
	case e.Panic != nil, e.misfit:
		return slog.LevelError
	case unanswered, e.Intended != nil && e.aborted, fault(e.Sent), fault(e.Received), errors.As(e.Err, &broken),
		is(ErrCloseIdle), is(ErrCloseTimeout), is(ErrCloseBytes), is(ErrEvicted):
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// LogValue is the group "websocket" of an opened connection's log line.
func (o *Opened) LogValue() slog.Value {
	return slog.GroupValue(o.Info.appendAttrs(nil)...)
}

// LogValue is the group "websocket" of a refused request's log line.
func (r *Refused) LogValue() slog.Value {
	attrs := []slog.Attr{slog.Int("status", r.Status)}
	if r.Err != nil {
		attrs = append(attrs, slog.String("err", r.Err.Error()))
	}
	return slog.GroupValue(r.Info.appendAttrs(attrs)...)
}

// LogValue is the group "websocket" of the connection's log line.
func (e *PeerClosed) LogValue() slog.Value { return e.logValue("peer_closed", e.Code()) }

// LogValue is the group "websocket" of the connection's log line.
func (e *LocalClosed) LogValue() slog.Value { return e.logValue("local_closed", e.Code()) }

// LogValue is the group "websocket" of the connection's log line.
func (e *Dropped) LogValue() slog.Value { return e.logValue("dropped", e.Code()) }

// logValue is the one place that says which keys a log line has, and in which
// order; zaplog and the echo example's closes.json use it too.
func (e *Ending) logValue(ending string, code Code) slog.Value {
	ms := func(key string, d time.Duration) slog.Attr { return slog.Int64(key, d.Milliseconds()) }
	attrs := []slog.Attr{
		slog.String("ending", ending),
		slog.Int("code", int(code)),
	}
	name := e.name
	if name == "" {
		name = code.Name()
	}
	attrs = appendText(attrs, "name", name)
	if f := e.deciding(ending); f != nil {
		attrs = appendText(attrs, "reason", f.Reason)
	}
	attrs = append(attrs,
		slog.Bool("clean", e.Clean()),
		slog.Bool("answered", e.Answered()))
	attrs = appendFrame(attrs, "sent", e.Sent)
	attrs = appendFrame(attrs, "received", e.Received)
	attrs = appendFrame(attrs, "intended", e.Intended)
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", causeText(e.Err)))
	}
	attrs = append(attrs, ms("duration_ms", e.Duration), ms("idle_ms", e.Idle))
	if e.Handshake > 0 {
		attrs = append(attrs, ms("handshake_ms", e.Handshake))
	}
	return slog.GroupValue(e.Info.appendAttrs(attrs)...)
}

// deciding is the frame of which Code and reason are the connection's.
func (e *Ending) deciding(ending string) *CloseFrame {
	switch ending {
	case "peer_closed":
		return e.Received
	case "local_closed":
		return e.Sent
	default:
		return nil
	}
}

func appendFrame(attrs []slog.Attr, key string, f *CloseFrame) []slog.Attr {
	if f == nil {
		return attrs
	}
	return appendText(append(attrs, slog.Int(key+"_code", int(f.Code))), key+"_reason", f.Reason)
}

func appendText(attrs []slog.Attr, key, value string) []slog.Attr {
	if value == "" {
		return attrs
	}
	return append(attrs, slog.String(key, value))
}

func (i *ConnInfo) appendAttrs(attrs []slog.Attr) []slog.Attr {
	attrs = append(attrs,
		slog.Uint64("conn", i.Number),
		slog.String("role", i.Role.String()),
		slog.Bool("guarded", i.Guarded),
		slog.String("remote", i.Remote))
	attrs = appendText(attrs, "route", i.Route)
	attrs = appendText(attrs, "path", i.Path)
	return appendText(attrs, "subprotocol", i.Subprotocol)
}
