package zaplog

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/closeguard/ws/closeguard"
)

type observer struct {
	logger *zap.Logger
	level  func(closeguard.Event) zapcore.Level
	attrs  func(closeguard.Event) []slog.Attr // nil: those of LogRecord
}

// Observer logs each event as one line, as [closeguard.LogObserver] does: its
// message, one object "websocket", and beside it the connection's own
// attributes. Error lines get no stack trace, which would show the guard's
// goroutine and not the program's. With a nil logger nothing is logged.
func Observer(logger *zap.Logger, opts ...Option) closeguard.Observer {
	if logger == nil {
		logger = zap.NewNop()
	}
	o := &observer{logger: logger.WithOptions(zap.AddStacktrace(zapcore.InvalidLevel))}
	for _, opt := range opts {
		opt(o)
	}
	if o.level == nil {
		// The four levels that there are stand four apart in slog, one in zap.
		o.level = func(ev closeguard.Event) zapcore.Level { return zapcore.Level(closeguard.LogRecord(ev).Level / 4) }
	}
	return o
}

// Option changes how an [Observer] logs.
type Option func(*observer)

// WithLevel chooses the level of each line. The function is called for every
// event, for different connections at the same time. Default nil: the level is
// that of [closeguard.LogRecord].
func WithLevel(level func(closeguard.Event) zapcore.Level) Option {
	return func(o *observer) { o.level = level }
}

// WithAttrs chooses the fields of each line, as [closeguard.LogOptions] does with the same
// function. It is called for every event that is logged, for different connections at the
// same time. Default nil: the attributes are those of [closeguard.LogRecord].
func WithAttrs(attrs func(closeguard.Event) []slog.Attr) Option {
	return func(o *observer) { o.attrs = attrs }
}

// Observe translates nothing for a line that is not logged.
func (o *observer) Observe(_ context.Context, ev closeguard.Event) {
	record := closeguard.LogRecord(ev)
	entry := o.logger.Check(o.level(ev), record.Message)
	if entry == nil {
		return
	}
	if o.attrs != nil {
		record = slog.Record{}
		record.AddAttrs(o.attrs(ev)...)
	}
	fields := make([]zap.Field, 0, record.NumAttrs())
	record.Attrs(func(attr slog.Attr) bool {
		fields = append(fields, field(attr))
		return true
	})
	entry.Write(fields...)
}

// Field is an event as an object under the key "websocket", for lines of the
// program's own; zap.Error would make a plain string of it. It is encoded when
// the line is, which is safe because events never change. A nil event, such as
// that of a connection that is still open, makes no field.
func Field(ev closeguard.Event) zap.Field {
	if ev == nil {
		return zap.Skip()
	}
	return zap.Object("websocket", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
		return group(ev.LogValue().Group()).MarshalLogObject(enc)
	}))
}
