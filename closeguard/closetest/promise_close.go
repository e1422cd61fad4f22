package closetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// What may not be sent, by the rule that it breaks.
var illegal = []struct {
	frame closeguard.CloseFrame
	rule  string
}{
	{closeguard.CloseFrame{}, "close code"},
	{closeguard.CloseFrame{Code: closeguard.AbnormalClosure}, "close code"},
	{closeguard.CloseFrame{Code: 1016}, "close code"},
	{closeguard.CloseFrame{Code: 70000}, "close code"},
	{closeguard.CloseFrame{Code: closeguard.NoStatusReceived, Reason: "why"}, "reason without code"},
	{closeguard.CloseFrame{Code: 4000, Reason: strings.Repeat("x", 124)}, "reason length"},
	{closeguard.CloseFrame{Code: 4000, Reason: "\xff"}, "reason UTF-8"},
}

func illegalIsRefused(t testing.TB, a Adapter) {
	for _, tt := range illegal {
		m := meet(t, a, closeguard.Options{})
		seen := m.behave(Polite)
		err := await(t, "CloseWith", m.closeWith(tt.frame.Code, tt.frame.Reason))
		var broken *closeguard.FrameError
		if !errors.As(err, &broken) || broken.Rule != tt.rule {
			t.Errorf("CloseWith(%v) returned %v, want a *FrameError with the rule %q", tt.frame, err, tt.rule)
		}
		m.depart(nil)
		if got := await(t, "the peer", seen); got.String() != "1000 normal closure, then FIN" {
			t.Errorf("after CloseWith(%v) the peer saw %v, want the handler's 1000 alone", tt.frame, got)
		}
		m.shut()
	}
}

func refusedLeavesUsable(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	for _, tt := range illegal {
		await(t, "CloseWith", m.closeWith(tt.frame.Code, tt.frame.Reason)) //nolint:errcheck // that it returns counts
		if ev := m.conn.Event(); ev != nil {
			t.Fatalf("CloseWith(%v) ended the connection: %v", tt.frame, ev)
		}
		if err := m.echo(); err != nil {
			t.Fatalf("after CloseWith(%v): %v", tt.frame, err)
		}
	}
}

func closeWithWaits(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	closed := m.closeWith(4002, "done")
	if f, err := m.peer.ReadClose(); err != nil || f != (closeguard.CloseFrame{Code: 4002, Reason: "done"}) {
		t.Errorf("the peer read %v, %v, want 4002 with the reason", f, err)
	}
	synctest.Wait() // whoever doesn't wait has returned
	select {
	case err := <-closed:
		t.Fatalf("CloseWith returned %v before the peer had answered", err)
	default:
	}
	m.peer.WriteClose(4002, "") //nolint:errcheck // CloseWith tells
	m.behave(Polite)
	if err := await(t, "CloseWith", closed); err != nil {
		t.Errorf("CloseWith returned %v after a clean handshake, want nil", err)
	}
	await(t, "the read", read) //nolint:errcheck // that it returns counts
	if ev := m.conn.Event(); ev == nil || !ev.Clean() {
		t.Errorf("Event is %v, want a clean close", ev)
	}
}

func closeWithOnce(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	first, second := m.closeWith(4002, "once"), (<-chan error)(nil)
	if f, err := m.peer.ReadClose(); err != nil || f.Code != 4002 {
		t.Errorf("the peer read %v, %v, want 4002", f, err)
	}
	second = m.closeWith(4003, "twice")
	synctest.Wait()             // a second frame has left
	m.peer.WriteClose(4002, "") //nolint:errcheck // CloseWith tells
	for name, c := range map[string]<-chan error{"the first CloseWith": first, "the second CloseWith": second} {
		if err := await(t, name, c); err != nil {
			t.Errorf("%s returned %v, want nil", name, err)
		}
	}
	await(t, "the read", read) //nolint:errcheck // that it returns counts
	if got := await(t, "the peer", start(m.peer.ReadToEnd)); got.String() != `4002 private use "once", then FIN` {
		t.Errorf("the peer saw %v, want one Close with 4002", got)
	}
}

var errCause = errors.New("closetest: why the context ended")

func closeWithContext(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errCause)
	defer cancel()
	closed := start(func() error { return m.conn.CloseWith(ctx, 4002, "") })
	if _, err := m.peer.ReadClose(); err != nil {
		t.Errorf("the peer read no Close: %v", err)
	}
	began := time.Now()
	if err := await(t, "CloseWith", closed); !errors.Is(err, errCause) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CloseWith returned %v, want the context's error", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("CloseWith returned after %v, want the context's 1s", d)
	}
	m.peer.WriteClose(4002, "") //nolint:errcheck // the event tells
	m.behave(Polite)
	await(t, "the read", read) //nolint:errcheck // that it returns counts
	m.depart(nil)
	if ev := m.event(); kind(ev) != "local closed 4002" || !ev.Clean() {
		t.Errorf("the handshake ended with %v, want it to have gone on to a clean end", ev)
	}
}

func limitReached(t testing.TB, a Adapter) {
	const idle, all = 3 * time.Second, 20 * time.Second
	for _, tt := range []struct {
		peer  Manner
		cause error
		after time.Duration
	}{
		{Mute, closeguard.ErrCloseIdle, idle},
		{Stalls, closeguard.ErrCloseIdle, idle},
		{Drips(time.Second), closeguard.ErrCloseTimeout, all},
	} {
		m := meet(t, a, closeguard.Options{CloseIdle: idle, CloseTimeout: all})
		read := m.read()
		seen := m.behave(tt.peer)
		began := time.Now()
		err := await(t, tt.peer.Name+": CloseWith", m.closeWith(4002, "bye"))
		if kind(err) != "local closed 4002" || !errors.Is(err, tt.cause) {
			t.Errorf("%s: CloseWith returned %v, want the event with %v in its tree", tt.peer.Name, err, tt.cause)
		}
		if d := time.Since(began); d < tt.after || d > tt.after+time.Second {
			t.Errorf("%s: CloseWith returned after %v, want %v", tt.peer.Name, d, tt.after)
		}
		if err := await(t, tt.peer.Name+": the read", read); kind(err) != "local closed 4002" {
			t.Errorf("%s: ReadMessage returned %s, want local closed 4002", tt.peer.Name, kind(err))
		}
		if got := await(t, tt.peer.Name+": the peer", seen); got.Close == nil || got.Close.Code != 4002 {
			t.Errorf("%s: the peer saw %v, want 4002", tt.peer.Name, got)
		}
		m.shut()
	}
}
