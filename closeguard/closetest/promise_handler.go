package closetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
)

var errSecret = errors.New("closetest: secret")

func returnChooses(t testing.TB, a Adapter) {
	chosen := closeguard.Error(4003, "why", errSecret)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, "1000 normal closure"},
		{"an Error", chosen, `4003 private use "why"`},
		{"a wrapped Error", fmt.Errorf("handler: %w", chosen), `4003 private use "why"`},
		{"a timeout", os.ErrDeadlineExceeded, "1001 going away"},
		{"a context's end", context.Canceled, "1001 going away"},
		{"another error", errSecret, `1011 internal error "internal error"`},
	} {
		m := meet(t, a, closeguard.Options{})
		seen := m.behave(Polite)
		m.depart(tt.err)
		if got := await(t, tt.name+": the peer", seen); got.String() != tt.want+", then FIN" {
			t.Errorf("the handler returned %s and the peer saw %v, want %s", tt.name, got, tt.want)
		}
		if ev := m.event(); errors.Is(tt.err, errSecret) && !errors.Is(ev, errSecret) {
			t.Errorf("the handler returned %s and the observer was told %v, without the handler's error", tt.name, ev)
		}
		m.shut()
	}
}

func panicGoesOn(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	seen := m.behave(Polite)
	m.leave(func() error { panic(errSecret) })
	if v := await(t, "the handler's end", m.returned); v != any(errSecret) {
		t.Errorf("above the handler %v was recovered, want the panic's value", v)
	}
	want := `1011 internal error "internal error", then FIN`
	if got := await(t, "the peer", seen); got.String() != want {
		t.Errorf("the peer saw %v, want %s", got, want)
	}
	var p *closeguard.PanicError
	if ev := m.event(); !errors.As(ev, &p) || p.Value != any(errSecret) {
		t.Errorf("the event tells of the panic %v, want the panic's value", p)
	}
}

// Every example of every library defers the close: the handler's return has to decide all the same.
func deferredClose(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	seen := m.behave(Polite)
	m.leave(func() error {
		defer m.conn.Close() // it is what is checked
		return closeguard.Error(4003, "why", nil)
	})
	await(t, "the handler's return", m.returned)
	want := `4003 private use "why", then FIN`
	if got := await(t, "the peer", seen); got.String() != want {
		t.Errorf("the handler deferred Close and the peer saw %v, want %s", got, want)
	}
	if ev := m.event(); !ev.Clean() || errors.Is(ev, closeguard.ErrBareClose) {
		t.Errorf("the observer was told %v, want a clean close that is no bare close", ev)
	}
}

// An observer that is told of the end may take the handler for gone.
func eventWaits(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	m.behave(Vanishes)
	err := await(t, "the read", read)
	m.conn.Abort()
	await(t, "Done", m.conn.Done())
	synctest.Wait()
	if closed := m.events.Closed(); len(closed) != 0 {
		t.Errorf("the observer was told %v before the handler had returned", closed)
	}
	m.depart(errors.Join(err, errSecret))
	if ev := m.event(); !errors.Is(ev, errSecret) {
		t.Errorf("the observer was told %v, without what the handler returned", ev)
	}
}
