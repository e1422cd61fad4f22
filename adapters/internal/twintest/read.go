package twintest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A Reading is a method that reads. What its ending must not be is nil.
type Reading[C Conn] struct {
	Name   string
	Inside bool // a message has begun
	Begins bool // it doesn't read the message, and so meets no limit
	Read   func(ctx context.Context, c C) error
}

// Whatever ends a connection, every reading method returns the close event,
// of the same type as the observer's.
func (a Adapter[C, L]) terminalReadErrorsAreCloseEvents(t *testing.T) {
	opts := closeguard.Options{CloseIdle: 50 * time.Millisecond}
	for _, m := range a.Readings {
		for _, e := range a.Endings() {
			if m.Begins && e.tooBig {
				continue
			}
			t.Run(m.Name+"/"+e.Name, func(t *testing.T) {
				t.Parallel()
				s, c, p := a.Connect(t, opts)
				if e.Before != nil {
					e.Before(c)
				}
				opcode := byte(1)
				if m.Inside {
					p.Send(Frame(opcode, `"x`))
					opcode = 0
				}
				read := make(chan error, 1)
				go func() { read <- m.Read(t.Context(), c) }()
				e.End(t, c, p, opcode)
				ExpectEvent(t, Within(t, m.Name, read), e.Want)

				a.Close(c)
				Within(t, "Done", c.Done())
				err := m.Read(t.Context(), c)
				ExpectEvent(t, err, e.Want)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("begun after the end: %v, want it to be net.ErrClosed", err)
				}
				ev := s.Event(t)
				ExpectEvent(t, ev, e.Want)
				if e.Is != nil && !errors.Is(ev, e.Is) {
					t.Errorf("%v is not %v", ev, e.Is)
				}
			})
		}
	}
}

// A BadMessage is a message that can't be read, and what the call says that reads it.
type BadMessage[C Conn] struct {
	Name string
	Bad  []byte // its frame
	Read func(c C) error
	Want func(error) bool
}

// What concerns one message only stays what it is, also when the peer's Close
// is with the library already, and the next message is read.
func (a Adapter[C, L]) errorsOfOneMessageStayWhatTheyAre(t *testing.T) {
	for _, tt := range a.Messages {
		for _, closing := range []bool{false, true} {
			name := tt.Name
			if closing {
				name += " before a Close"
			}
			t.Run(name, func(t *testing.T) {
				s, c, p := a.Connect(t, closeguard.Options{})
				good, end := Frame(0x81, `{"a":1}`), Frame(0x88, ClosePayload(1000, ""))
				if closing {
					p.Send(tt.Bad, good, end)
				} else {
					p.Send(tt.Bad)
				}
				if err := tt.Read(c); !tt.Want(err) || Kind(err) != "open" {
					t.Errorf("got %T %v", err, err)
				}
				if !closing {
					p.Send(good, end)
				}
				if err := a.ReadJSON(c, new(map[string]int)); err != nil {
					t.Errorf("the next message: %v", err)
				}
				if err := a.read(c); Kind(err) != "peer closed 1000" {
					t.Errorf("the peer's Close: %v", err)
				}
				if ev := s.Event(t); Kind(ev) != "peer closed 1000" || ev.End().Err != nil {
					t.Errorf("event %v, want one without a cause", ev)
				}
			})
		}
	}
}

// Translate is for errors of the library that came past the Conn.
func (a Adapter[C, L]) translate(t *testing.T) {
	s, c, p := a.Connect(t, closeguard.Options{})
	foreign := errors.New("foreign")
	if err := c.Translate(foreign); err != foreign {
		t.Errorf("on an open connection: %v, want the error itself", err)
	}
	p.Send(Frame(0x88, ClosePayload(1001, "")))
	err := a.Library.Read(a.Within(c))
	ExpectEvent(t, c.Translate(err), "peer closed 1001")
	if err := c.Translate(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	ExpectEvent(t, s.Event(t), "peer closed 1001")
}
