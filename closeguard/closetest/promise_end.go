package closetest

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/closeguard/ws/closeguard"
)

// An ending is a way in which a connection ends while the handler reads.
type ending struct {
	name string
	do   func(m *meeting)
	want string // the event's kind
	ours bool   // a call that was under way matches net.ErrClosed
}

var endings = []ending{
	{"the peer closes", func(m *meeting) {
		m.peer.WriteClose(4001, "bye") //nolint:errcheck // the event tells
		m.behave(Polite)
	}, "peer closed 4001", false},
	{"the peer closes illegally", func(m *meeting) { m.behave(IllegalClose) }, "peer closed 1002", false},
	{"we close", func(m *meeting) {
		m.behave(Polite)
		m.closeWith(4002, "bye")
	}, "local closed 4002", true},
	{"the peer breaks a rule", func(m *meeting) { m.behave(ReservedOpcode) }, "local closed 1002", true},
	{"the peer vanishes", func(m *meeting) { m.behave(Vanishes) }, "dropped", false},
	{"the peer resets", func(m *meeting) { m.behave(Resets) }, "dropped", false},
	{"Abort", func(m *meeting) { m.conn.Abort() }, "dropped", true},
	{"a shutdown", func(m *meeting) {
		m.behave(Polite)
		go m.guard.Shutdown(context.Background()) //nolint:errcheck // the event tells
	}, "local closed 1001", true},
}

// eachEnding ends a connection in each way, under a read that has begun, and hands out
// what the read returned. The handler has not returned yet.
func eachEnding(t testing.TB, a Adapter, f func(m *meeting, e ending, err error)) {
	t.Helper()
	for _, e := range endings {
		m := meet(t, a, closeguard.Options{})
		read := m.read()
		e.do(m)
		f(m, e, await(t, e.name+": the read", read))
		m.shut()
	}
}

func guardedOnTheWire(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	if !m.conn.Guarded() {
		t.Error("Guarded is false below the adapter's Handler")
	}
	synctest.Wait() // for the observer
	for _, ev := range m.events.Events() {
		if info := ev.Connection(); !info.Guarded || info.Path != "/adapter" {
			t.Errorf("the observer was told of %+v, want a guarded connection with the request's path", info)
		}
	}
	if n := len(m.events.Events(Is[*closeguard.Opened])); n != 1 {
		t.Errorf("the observer was told of %d openings, want 1", n)
	}
}

func terminalErrorsAreEvents(t testing.TB, a Adapter) {
	eachEnding(t, a, func(_ *meeting, e ending, err error) {
		if got := kind(err); got != e.want {
			t.Errorf("%s: ReadMessage returned %s, want %s", e.name, got, e.want)
		}
	})
}

func writesAfterTheEnd(t testing.TB, a Adapter) {
	eachEnding(t, a, func(m *meeting, e ending, _ error) {
		m.depart(nil)
		await(t, e.name+": Done", m.conn.Done())
		err := m.conn.WriteMessage([]byte("late"))
		if got := kind(err); got != e.want {
			t.Errorf("%s: WriteMessage after the end returned %s, want %s", e.name, got, e.want)
		}
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: WriteMessage after the end returned %v, which is not net.ErrClosed", e.name, err)
		}
	})
}

// What a filter for net.ErrClosed hides must be of our own making.
func closedTruth(t testing.TB, a Adapter) {
	eachEnding(t, a, func(_ *meeting, e ending, err error) {
		if got := errors.Is(err, net.ErrClosed); got != e.ours {
			t.Errorf("%s: errors.Is(err, net.ErrClosed) is %t, want %t: %v", e.name, got, e.ours, err)
		}
	})
}

// Some libraries close with 1002 by themselves, others return an error and send nothing:
// returning that error has to do.
func violationsEnd(t testing.TB, a Adapter) {
	for _, how := range []Manner{WrongMask, ReservedBits, ReservedOpcode, LyingLength, Interleaves, Continues, LongClose, FragmentedClose} {
		m := meet(t, a, closeguard.Options{})
		read := m.read()
		seen := m.behave(how)
		m.depart(await(t, how.Name+": the read", read))
		if got := await(t, how.Name+": the peer", seen); got.Close == nil || got.Close.Code != closeguard.ProtocolError || got.After > 0 {
			t.Errorf("%s: the peer saw %v, want 1002", how.Name, got)
		}
		ev := m.event()
		var broken *closeguard.FrameError
		if kind(ev) != "local closed 1002" || !errors.As(ev, &broken) {
			t.Errorf("%s: the observer was told %v, want a close of ours with 1002 and a *FrameError in its tree", how.Name, ev)
		}
		m.shut()
	}
}

func peerCodeStays(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	m.peer.WriteClose(4001, "bye") //nolint:errcheck // the error tells
	m.behave(Polite)
	err := await(t, "the read", read)
	if got := a.PeerCode(err); got != 4001 {
		t.Errorf("the library finds the code %d in %v, want 4001", got, err)
	}
}

func tooBigStays(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	m.conn.SetReadLimit(8)
	read := m.read()
	m.peer.WriteText("more than it takes") //nolint:errcheck // the error tells
	seen := m.behave(Polite)
	err := await(t, "the read", read)
	if !errors.Is(err, a.TooBig) || kind(err) != "local closed 1009" {
		t.Errorf("ReadMessage returned %s, %v; want a close of ours with 1009 and %v in its tree", kind(err), err, a.TooBig)
	}
	m.depart(err)
	if ev := m.event(); !errors.Is(ev, a.TooBig) {
		t.Errorf("the observer was told %v, without %v in its tree", ev, a.TooBig)
	}
	if got := await(t, "the peer", seen); got.Close == nil || got.Close.Code != closeguard.MessageTooBig {
		t.Errorf("the peer saw %v, want 1009", got)
	}
}

// The promise is not to hand out as a whole what is only the beginning.
func cutMessage(t testing.TB, a Adapter) {
	for name, write := range map[string]func(p *Peer) error{
		"between fragments": func(p *Peer) error { return p.WriteFrame(Frame{Opcode: OpText, Payload: []byte("half"), More: true}) },
		"inside a frame":    func(p *Peer) error { return p.WriteFrame(Frame{Opcode: OpText, Payload: []byte("half"), Claim: 8}) },
		"inside a header":   func(p *Peer) error { return p.WriteBytes([]byte{0x81, 0x80 | 126}) },
	} {
		m := meet(t, a, closeguard.Options{})
		read := m.read()
		if err := write(m.peer); err != nil {
			t.Error(err)
		}
		m.behave(Vanishes)
		if err := await(t, name+": the read", read); kind(err) != "dropped" {
			t.Errorf("cut %s: ReadMessage returned %s, want dropped", name, kind(err))
		}
		m.shut()
	}
}

func abortSendsNothing(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	seen := m.behave(Polite)
	m.conn.Abort()
	if got := await(t, "the peer", seen); got.String() != "no Close, then RST" {
		t.Errorf("the peer saw %v, want no Close and a reset", got)
	}
	m.depart(nil)
	if ev := m.event(); kind(ev) != "dropped" || !errors.Is(ev, closeguard.ErrAborted) {
		t.Errorf("the observer was told %v, want a drop that is ErrAborted", ev)
	}
}

func eventAndDone(t testing.TB, a Adapter) {
	for _, e := range endings {
		m := meet(t, a, closeguard.Options{})
		read := m.read()
		if ev := m.conn.Event(); ev != nil {
			t.Errorf("%s: Event is %v while the connection is open", e.name, ev)
		}
		select {
		case <-m.conn.Done():
			t.Errorf("%s: Done is closed while the connection is open", e.name)
		default:
		}
		e.do(m)
		await(t, e.name+": the read", read) //nolint:errcheck // that it returns counts
		m.depart(nil)
		await(t, e.name+": Done", m.conn.Done())
		told := m.event()
		if ev := m.conn.Event(); ev == nil || kind(ev) != kind(told) || kind(ev) != e.want {
			t.Errorf("%s: Event is %v and the observer was told %v, want %s", e.name, ev, told, e.want)
		}
		m.shut()
	}
}

func oneEvent(t testing.TB, a Adapter) {
	for _, e := range endings {
		m := meet(t, a, closeguard.Options{})
		read := m.read()
		e.do(m)
		m.depart(await(t, e.name+": the read", read))
		m.event() //nolint:errcheck // it fails if there is none
		m.shut()  // which waits for the observers
		if closed, opened := m.events.Closed(), m.events.Events(Is[*closeguard.Opened]); len(closed) != 1 || len(opened) != 1 {
			t.Errorf("%s: %d openings and %d ends were told, want one each: %v", e.name, len(opened), len(closed), closed)
		}
	}
}

func shutdownReaches(t testing.TB, a Adapter) {
	m := meet(t, a, closeguard.Options{})
	read := m.read()
	seen := m.behave(Polite)
	report := start(func() error {
		_, err := m.guard.Shutdown(context.Background())
		return err
	})
	err := await(t, "the read", read)
	if !errors.Is(err, closeguard.ErrShutdown) {
		t.Errorf("ReadMessage returned %v, want ErrShutdown in its tree", err)
	}
	m.depart(err)
	if err := await(t, "Shutdown", report); err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	want := `1001 going away "server shutting down", then FIN`
	if got := await(t, "the peer", seen); got.String() != want {
		t.Errorf("the peer saw %v, want %s", got, want)
	}
}
