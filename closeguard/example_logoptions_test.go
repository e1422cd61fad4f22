package closeguard_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// One flat object a line, without addresses, in which peers that vanish are no news.
func ExampleLogOptions() {
	observer := closeguard.LogOptions{
		Logger: slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Level: func(ev closeguard.Event) slog.Level {
			if _, vanished := ev.(*closeguard.Dropped); vanished {
				return slog.LevelDebug
			}
			return closeguard.LogRecord(ev).Level
		},
		Attrs: func(ev closeguard.Event) []slog.Attr {
			attrs := append(ev.LogValue().Group(), ev.Connection().Attrs...)
			return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Key == "remote" || a.Key == "path" })
		},
	}.Observer()

	// What a guard with this observer logs of two connections.
	anna := closeguard.ConnInfo{Number: 7, Guarded: true, Remote: "192.0.2.1:52110", Attrs: []slog.Attr{slog.String("user", "anna")}}
	observer.Observe(context.Background(), &closeguard.Dropped{Ending: closeguard.Ending{ConnInfo: anna, Err: io.EOF}})
	observer.Observe(context.Background(), &closeguard.LocalClosed{Ending: closeguard.Ending{
		ConnInfo: anna, Duration: time.Second, Sent: &closeguard.CloseFrame{Code: closeguard.GoingAway}, Received: &closeguard.CloseFrame{Code: closeguard.GoingAway},
	}})
	// Output:
	// {"level":"INFO","msg":"websocket closed","ending":"local_closed","code":1001,"name":"going away","cause":"none","clean":true,"answered":true,"sent_code":1001,"received_code":1001,"duration_ms":1000,"idle_ms":0,"conn":7,"role":"server","guarded":true,"user":"anna"}
}

// withoutTime is a ReplaceAttr for lines that are compared.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
