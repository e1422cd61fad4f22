package twintest

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// In reduced mode each terminal error is the event that the library's error
// tells of. What the library hides is nil.
func (a Adapter[C, L]) reducedModeTellsWhatTheLibraryTells(t *testing.T) {
	frame1000 := closeguard.CloseFrame{Code: 1000, Reason: "mine"}
	frame1001 := closeguard.CloseFrame{Code: 1001, Reason: "theirs"}
	var answer *closeguard.CloseFrame
	if a.ShowsAnswer {
		answer = &closeguard.CloseFrame{Code: 1000}
	}
	for _, tt := range []struct {
		name           string
		end            func(t *testing.T, c C, p *Peer)
		want           string
		sent, received *closeguard.CloseFrame
		is             error
	}{
		{
			name: "the peer closes", want: "peer closed 1001", received: &frame1001, // the answer is hidden
			end: func(_ *testing.T, _ C, p *Peer) { p.Send(Frame(0x88, ClosePayload(1001, "theirs"))) },
		},
		{
			name: "we close", want: "local closed 1000", sent: &frame1000, received: answer,
			end: func(t *testing.T, c C, p *Peer) {
				go c.CloseWith(t.Context(), 1000, "mine")
				p.End()
			},
		},
		{
			name: "we close with the library's method", want: "local closed 1000", sent: &frame1000, received: answer,
			end: func(t *testing.T, c C, p *Peer) {
				if err := a.SendClose(c); err != nil {
					t.Error(err)
				}
				p.End()
			},
		},
		{
			name: "the end of TCP", want: "dropped",
			end: func(_ *testing.T, _ C, p *Peer) { p.FIN() },
		},
		{
			name: "a reset", want: "dropped", is: syscall.ECONNRESET,
			end: func(_ *testing.T, _ C, p *Peer) { p.Reset() },
		},
		{
			name: "a message over the limit", want: "dropped", is: a.Library.TooBig, // the 1009 is hidden
			end: func(_ *testing.T, _ C, p *Peer) { p.Send(Frame(0x82, strings.Repeat("x", 2000))) },
		},
		{
			name: "Close", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c C, _ *Peer) { a.Close(c) },
		},
		{
			name: "Abort", want: "dropped", is: net.ErrClosed,
			end: func(_ *testing.T, c C, _ *Peer) { c.Abort() },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, p := a.Reduced(t, nil)
			if c.Guarded() {
				t.Error("guarded")
			}
			c.SetReadLimit(1000)
			read := make(chan error, 1)
			go func() { read <- a.read(c) }()
			tt.end(t, c, p)
			ExpectEvent(t, Within(t, "reading", read), tt.want)
			a.Close(c)
			if err := a.read(c); Kind(err) != tt.want || !errors.Is(err, net.ErrClosed) {
				t.Errorf("begun after the end: %v, want the event and net.ErrClosed", err)
			}
			ev := s.Event(t)
			ExpectEvent(t, ev, tt.want)
			if ev.Connection().Guarded {
				t.Error("the event says that the connection was guarded")
			}
			if end := ev.End(); !same(end.Sent, tt.sent) || !same(end.Received, tt.received) {
				t.Errorf("sent %v, received %v; want %v and %v", end.Sent, end.Received, tt.sent, tt.received)
			}
			if tt.is != nil && !errors.Is(ev, tt.is) {
				t.Errorf("%v is not %v", ev, tt.is)
			}
		})
	}
}

func same(a, b *closeguard.CloseFrame) bool { return a == b || a != nil && b != nil && *a == *b }

// What goes out is validated in reduced mode too.
func (a Adapter[C, L]) reducedModeRefusesAnIllegalClose(t *testing.T) {
	s, c, p := a.Reduced(t, nil)
	var fe *closeguard.FrameError
	if err := c.CloseWith(t.Context(), 1006, ""); !errors.As(err, &fe) {
		t.Errorf("CloseWith: %v, want a *FrameError", err)
	}
	for name, sender := range a.Senders {
		if err := sender.Send(c, 1006, ""); !errors.As(err, &fe) {
			t.Errorf("%s: %v, want a *FrameError", name, err)
		}
	}
	a.ExpectEcho(t, c, p)
	a.Close(c)
	ExpectEvent(t, s.Event(t), "dropped")
}
