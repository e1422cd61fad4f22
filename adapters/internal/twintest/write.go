package twintest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/closetest"
)

// A Writing is a method that writes: what is needed before the end, and the call.
type Writing[C Conn] struct {
	Name  string
	Once  bool // a second call is an error of its own
	Begin func(t *testing.T, c C) (write func() error)
}

// Whatever ends a connection, every writing method returns the close event.
func (a Adapter[C, L]) terminalWriteErrorsAreCloseEvents(t *testing.T) {
	opts := closeguard.Options{CloseIdle: 50 * time.Millisecond}
	for _, m := range a.Writings {
		for _, e := range a.Endings() {
			if e.Half {
				continue // the peer may still read
			}
			t.Run(m.Name+"/"+e.Name, func(t *testing.T) {
				t.Parallel()
				s, c, p := a.Connect(t, opts)
				if e.Before != nil {
					e.Before(c)
				}
				write := m.Begin(t, c)
				read := make(chan error, 1)
				go func() { read <- a.read(c) }()
				e.End(t, c, p, 1)
				Within(t, "reading", read)
				if !m.Once {
					ExpectEvent(t, UntilError(write), e.Want)
				}

				a.Close(c)
				Within(t, "Done", c.Done())
				err := UntilError(write)
				ExpectEvent(t, err, e.Want)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("begun after the end: %v, want it to be net.ErrClosed", err)
				}
				ExpectEvent(t, s.Event(t), e.Want)
			})
		}
	}
}

// UntilError repeats a call: the first one after a reset may still succeed.
func UntilError(f func() error) error {
	for {
		if err := f(); err != nil {
			return err
		}
	}
}

// A BlockedEnd is a way to end a connection on which a writer is stuck.
type BlockedEnd[C Conn] struct {
	Name  string
	End   func(t *testing.T, c C, p *Peer)
	Want  string // what the writer gets; "open": an error that is net.ErrClosed and no event yet
	Event string
}

// A writer that is stuck, because the peer doesn't read, is woken by the end.
// After a bare close it can't be known at once whether a Close will leave.
func (a Adapter[C, L]) aBlockedWriteReturnsTheEvent(t *testing.T) {
	for _, tt := range append([]BlockedEnd[C]{
		{"Abort", func(_ *testing.T, c C, _ *Peer) { c.Abort() }, "dropped", "dropped"},
		{"a reset", func(_ *testing.T, _ C, p *Peer) { p.Reset() }, "dropped", "dropped"},
		{"a limit of our Close", func(t *testing.T, c C, _ *Peer) { go c.CloseWith(t.Context(), 4000, "") }, "dropped", "dropped"},
	}, a.BareCloses...) {
		t.Run(tt.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, p := a.ConnectOver(t, closetest.Listen(), closeguard.Options{})
				written := make(chan error, 1)
				go func() {
					written <- UntilError(func() error { return a.WriteRaw(c) })
				}()
				synctest.Wait() // the writer is stuck
				tt.End(t, c, p)
				err := Within(t, "writing", written)
				if Kind(err) != tt.Want || tt.Want == "open" && !errors.Is(err, net.ErrClosed) {
					t.Errorf("got %v, want the event %s", err, tt.Want)
				}
				a.Close(c)
				ExpectEvent(t, s.Event(t), tt.Event)
			})
		})
	}
}

// A Sender is a way to send a Close.
type Sender[C Conn] struct {
	Payload bool // it takes a payload: a reason that is too long may be said of that
	Send    func(c C, code int, reason string) error
}

// A Close that must not be sent is an error before anything is: the connection
// is as good as before.
func (a Adapter[C, L]) anIllegalCloseIsAnError(t *testing.T) {
	senders := maps.Clone(a.Senders)
	senders["CloseWith"] = Sender[C]{Send: func(c C, code int, reason string) error {
		return c.CloseWith(context.Background(), closeguard.Code(code), reason)
	}}
	for name, sender := range senders {
		for _, tt := range []struct {
			name   string
			code   int
			reason string
			rule   string
		}{
			{"code 0", 0, "", "close code"},
			{"code 999", 999, "", "close code"},
			{"code 1004", 1004, "", "close code"},
			{"code 1006", 1006, "", "close code"},
			{"code 1010 from a server", 1010, "", "close code"},
			{"code 1015", 1015, "", "close code"},
			{"code 2999", 2999, "", "close code"},
			{"code 5000", 5000, "", "close code"},
			{"code 70000", 70000, "", "close code"},
			{"a reason of 124 bytes", 1000, strings.Repeat("x", 124), "reason length"},
			{"a reason that is not UTF-8", 1000, "\xff", "reason UTF-8"},
		} {
			if tt.code > 65535 && sender.Payload {
				continue // there is no such payload
			}
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s, c, p := a.Connect(t, closeguard.Options{})
				err := sender.Send(c, tt.code, tt.reason)
				var fe *closeguard.FrameError
				if !errors.As(err, &fe) || fe.Rule != tt.rule && (!sender.Payload || tt.rule != "reason length") {
					t.Errorf("got %v, want a *FrameError for the rule %q", err, tt.rule)
				}
				a.ExpectEcho(t, c, p)
				go func() { p.End() }()
				if err := c.CloseWith(t.Context(), 1000, "legal"); err != nil {
					t.Error(err)
				}
				if ev := s.Event(t); Kind(ev) != "local closed 1000" || ev.End().Intended != nil {
					t.Errorf("event %v", ev)
				}
			})
		}
	}
}

// A Failure is a call that fails by itself.
type Failure[C Conn] struct {
	Name string
	Call func(t *testing.T, c C) error
	Want func(error) bool
}

// A call that fails by itself leaves the connection as it was, and no trace in
// the event of its end, whenever that comes.
func (a Adapter[C, L]) errorsOfOneCallStayWhatTheyAre(t *testing.T) {
	for _, tt := range a.Failures {
		t.Run(tt.Name, func(t *testing.T) {
			s, c, p := a.Connect(t, closeguard.Options{})
			if err := tt.Call(t, c); !tt.Want(err) || Kind(err) != "open" {
				t.Errorf("got %T %v", err, err)
			}
			p.Send(Frame(0x88, ClosePayload(1001, "")))
			ExpectEvent(t, a.read(c), "peer closed 1001")
			if ev := s.Event(t); Kind(ev) != "peer closed 1001" || ev.End().Err != nil {
				t.Errorf("event %v, want one without a cause", ev)
			}
		})
	}
}

// So does a value that has no JSON, also when the peer's Close is with the
// library already.
func (a Adapter[C, L]) aValueWithoutJSONBeforeAClose(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	p.Send(Frame(0x81, "last"), Frame(0x88, ClosePayload(1001, "")))
	if err := a.read(c); err != nil {
		t.Error(err)
	}
	if err := a.WriteJSON(c, func() {}); Kind(err) != "open" || !In[*json.UnsupportedTypeError](err) {
		t.Errorf("got %v, want a *json.UnsupportedTypeError and no event", err)
	}
	ExpectEvent(t, a.read(c), "peer closed 1001")
	if ev := s.Event(t); Kind(ev) != "peer closed 1001" || ev.End().Err != nil {
		t.Errorf("event %v, want one without a cause", ev)
	}
}

// Says is for errors that have no type.
func Says(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

// Once a call has returned the end, the next one comes after it: whether its error is
// net.ErrClosed doesn't depend on whether TCP is closed by then.
func (a Adapter[C, L]) aCallAfterTheEnd(t *testing.T) {
	for range 20 {
		s, c, p := a.Connect(t, closeguard.Options{})
		p.Send(Frame(0x88, ClosePayload(4000, "")), Frame(0x81, "more")) // the guard waits for the end of TCP
		err := a.read(c)
		ExpectEvent(t, err, "peer closed 4000")
		if errors.Is(err, net.ErrClosed) {
			t.Errorf("the Read that tells of it: %v is net.ErrClosed", err)
		}
		err = a.Write(c, "")
		ExpectEvent(t, err, "peer closed 4000")
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Write after it: %v isn't net.ErrClosed", err)
		}
		p.Close()
		s.Event(t)
	}
}
