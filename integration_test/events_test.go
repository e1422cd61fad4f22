package integration_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

// events are record's, for a test that can't go on without them.
type events struct{ record.Events }

// wait returns what is known of a path once its connection, or the request
// for one, has come to its end.
func (e *events) wait(t testing.TB, path string) record.History {
	t.Helper()
	h := e.Wait(path, 10*time.Second)
	if len(h.Closed)+len(h.Refused) == 0 {
		t.Fatalf("%s: no event within 10 s", path)
	}
	return h
}

// close waits for the one close event of a path.
func (e *events) close(t testing.TB, path string) closeguard.CloseEvent {
	t.Helper()
	h := e.wait(t, path)
	if h.Opened != 1 || len(h.Closed) != 1 || len(h.Refused) != 0 {
		t.Fatalf("%s: %d opened, %v closed, %v refused; want 1, 1 and 0", path, h.Opened, h.Closed, h.Refused)
	}
	return h.Closed[0]
}

// An ending is what these tests compare of a close event.
type ending struct {
	kind                     string // of the event: peer closed, local closed, dropped
	code                     closeguard.Code
	clean                    bool
	sent, received, intended string // frames as text, "": none
	illegal                  string // the broken rule and the value that breaks it
}

func endingOf(ev closeguard.CloseEvent) ending {
	end := ev.End()
	e := ending{
		kind: record.KindOf(ev), code: ev.Code(), clean: ev.Clean(),
		sent: text(end.Sent), received: text(end.Received), intended: text(end.Intended),
	}
	if fe := (*closeguard.FrameError)(nil); errors.As(ev, &fe) {
		e.illegal = illegal(fe.Rule, fe.Value)
	}
	return e
}

func text(f *closeguard.CloseFrame) string {
	if f == nil {
		return ""
	}
	return f.String()
}

func illegal(rule string, value int64) string { return fmt.Sprintf("%s: %d", rule, value) }

func closing(code closeguard.Code, reason string) string {
	return closeguard.CloseFrame{Code: code, Reason: reason}.String()
}
