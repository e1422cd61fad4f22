package proxies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// event waits for the one close event of a path.
func (s *site) event(t *testing.T, path string) closeguard.CloseEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	all, err := s.events.WaitClosed(ctx, 1, closetest.Path(path))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: close events %v, %v; want one", path, all, err)
	}
	return all[0]
}

// eventText is a close event in the words of the tables.
func eventText(ev closeguard.CloseEvent) string {
	end := ev.End()
	text := "dropped"
	switch ev.(type) {
	case *closeguard.PeerClosed:
		text = "peer closed"
	case *closeguard.LocalClosed:
		text = "local closed"
	}
	if ev.Clean() {
		text += " clean"
	}
	for _, f := range []struct {
		name  string
		frame *closeguard.CloseFrame
	}{{"sent", end.Sent}, {"received", end.Received}, {"intended", end.Intended}} {
		if f.frame != nil {
			text += ", " + f.name + " " + frameText(int(f.frame.Code), f.frame.Reason)
		}
	}
	if broken := (*closeguard.FrameError)(nil); errors.As(ev, &broken) {
		text += fmt.Sprintf(", %s: %d in % x", broken.Rule, broken.Value, broken.Payload)
	}
	if cause := cause(ev); cause != "" {
		text += ": " + cause
	}
	return text
}

func frameText(code int, reason string) string {
	switch {
	case reason != "":
		return fmt.Sprintf("%d %q", code, reason)
	case code == 1005:
		return "empty"
	default:
		return fmt.Sprint(code)
	}
}

// cause tells from the event alone how the connection came to its end: what a
// program would ask it.
func cause(ev closeguard.CloseEvent) string {
	var all []string
	for _, c := range []struct {
		text  string
		error error
	}{
		{"FIN", io.EOF}, {"FIN", io.ErrUnexpectedEOF}, {"RST", syscall.ECONNRESET},
		{"stalled", closeguard.ErrCloseIdle}, {"ping timeout", closeguard.ErrPingTimeout},
		{"shut down", closeguard.ErrShutdown}, {"aborted", closeguard.ErrAborted},
	} {
		if errors.Is(ev, c.error) {
			all = append(all, c.text)
		}
	}
	if len(all) == 0 && strings.Contains(ev.Error(), "ended inside a message: EOF") {
		return "FIN, in words"
	}
	return strings.Join(all, ", ")
}

// logged is the cause as the log line has it.
func logged(ev closeguard.CloseEvent) string {
	for _, attr := range ev.LogValue().Group() {
		if attr.Key == "err" {
			return attr.Value.String()
		}
	}
	return ""
}
