package zaplog_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/closeguard/ws/adapters/zaplog"
	"github.com/closeguard/ws/closeguard"
)

// refusal is an event as an observer is told it.
var refusal = &closeguard.LocalClosed{Ending: closeguard.Ending{
	ConnInfo: closeguard.ConnInfo{
		Number: 7, Guarded: true, Remote: "192.0.2.1:52110", Route: "/upload", Path: "/upload",
		Attrs: []slog.Attr{slog.String("user", "anna")}, // from Options.Attrs
	},
	Duration:  1300 * time.Millisecond,
	Handshake: 900 * time.Millisecond,
	Sent:      &closeguard.CloseFrame{Code: closeguard.MessageTooBig, Reason: "at most 64 KiB"},
	Received:  &closeguard.CloseFrame{Code: closeguard.MessageTooBig},
}}

func ExampleObserver() {
	logger := zap.NewExample()
	guard, err := closeguard.New(closeguard.Options{
		Observers: []closeguard.Observer{zaplog.Observer(logger)},
	})
	if err != nil {
		logger.Fatal("no guard", zap.Error(err))
	}
	defer guard.Close()

	// From here on the guard does what this line does.
	zaplog.Observer(logger).Observe(context.Background(), refusal)
	// Output:
	// {"level":"warn","msg":"websocket closed","websocket":{"ending":"local_closed","code":1009,"name":"message too big","reason":"at most 64 KiB","cause":"none","clean":true,"answered":true,"sent_code":1009,"sent_reason":"at most 64 KiB","received_code":1009,"duration_ms":1300,"idle_ms":0,"handshake_ms":900,"conn":7,"role":"server","guarded":true,"remote":"192.0.2.1:52110","route":"/upload","path":"/upload"},"user":"anna"}
}

// Connections that open and peers that vanish are no news here.
func ExampleWithLevel() {
	quiet := func(ev closeguard.Event) zapcore.Level {
		switch ev.(type) {
		case *closeguard.Opened, *closeguard.Dropped:
			return zap.DebugLevel
		default:
			return zap.InfoLevel
		}
	}
	logger := zap.NewExample(zap.IncreaseLevel(zap.InfoLevel))
	observer := zaplog.Observer(logger, zaplog.WithLevel(quiet))

	observer.Observe(context.Background(), &closeguard.Dropped{Ending: closeguard.Ending{Err: io.EOF}})
	observer.Observe(context.Background(), &closeguard.Refused{Status: 403})
	// Output:
	// {"level":"info","msg":"websocket refused","websocket":{"status":403,"conn":0,"role":"server","guarded":false,"remote":""}}
}

// Fields without the object around them, and without addresses: as with
// closeguard.LogOptions, whose Attrs this function can be, too.
func ExampleWithAttrs() {
	flat := func(ev closeguard.Event) []slog.Attr {
		attrs := append(ev.LogValue().Group(), ev.Connection().Attrs...)
		return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Key == "remote" || a.Key == "path" })
	}
	observer := zaplog.Observer(zap.NewExample(), zaplog.WithAttrs(flat))
	observer.Observe(context.Background(), refusal)
	// Output:
	// {"level":"warn","msg":"websocket closed","ending":"local_closed","code":1009,"name":"message too big","reason":"at most 64 KiB","cause":"none","clean":true,"answered":true,"sent_code":1009,"sent_reason":"at most 64 KiB","received_code":1009,"duration_ms":1300,"idle_ms":0,"handshake_ms":900,"conn":7,"role":"server","guarded":true,"route":"/upload","user":"anna"}
}

// A line of the program's own, with what zap.Error would not show.
func ExampleField() {
	logger := zap.NewExample()
	logger.Info("upload ended", zap.String("file", "a.bin"), zaplog.Field(refusal))
	// Output:
	// {"level":"info","msg":"upload ended","file":"a.bin","websocket":{"ending":"local_closed","code":1009,"name":"message too big","reason":"at most 64 KiB","cause":"none","clean":true,"answered":true,"sent_code":1009,"sent_reason":"at most 64 KiB","received_code":1009,"duration_ms":1300,"idle_ms":0,"handshake_ms":900,"conn":7,"role":"server","guarded":true,"remote":"192.0.2.1:52110","route":"/upload","path":"/upload"}}
}
