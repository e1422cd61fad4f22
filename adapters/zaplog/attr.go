package zaplog

import (
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// field translates an attribute. As slog's handlers do, it leaves out an empty
// attribute and an empty group, and takes a group without a name apart.
func field(attr slog.Attr) zap.Field {
	key, value := attr.Key, attr.Value.Resolve()
	switch value.Kind() {
	case slog.KindString:
		return zap.String(key, value.String())
	case slog.KindInt64:
		return zap.Int64(key, value.Int64())
	case slog.KindUint64:
		return zap.Uint64(key, value.Uint64())
	case slog.KindBool:
		return zap.Bool(key, value.Bool())
	case slog.KindFloat64:
		return zap.Float64(key, value.Float64())
	case slog.KindDuration:
		return zap.Duration(key, value.Duration())
	case slog.KindTime:
		return zap.Time(key, value.Time())
	case slog.KindGroup:
		switch attrs := group(value.Group()); {
		case len(attrs) == 0:
			return zap.Skip()
		case key == "":
			return zap.Inline(attrs)
		default:
			return zap.Object(key, attrs)
		}
	default:
		if key == "" && value.Any() == nil {
			return zap.Skip()
		}
		return zap.Any(key, value.Any())
	}
}

// group is a slog group as an object.
type group []slog.Attr

// MarshalLogObject adds the group's attributes.
func (g group) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, attr := range g {
		field(attr).AddTo(enc)
	}
	return nil
}
