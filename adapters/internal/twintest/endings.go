package twintest

import (
	"syscall"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// An Ending is a way in which a connection ends, and what its event must say.
type Ending[C Conn] struct {
	Name   string
	Half   bool // writing goes on
	Before func(c C)
	End    func(t *testing.T, c C, p *Peer, opcode byte) // opcode is that of the peer's next frame
	Want   string
	Is     error // what is in the tree of the observer's event

	tooBig bool
}

// Endings are the ways in which a connection ends, with what is the library's own.
func (a Adapter[C, L]) Endings() []Ending[C] {
	return []Ending[C]{
		{
			Name: "the peer closes", Want: "peer closed 1001",
			End: func(_ *testing.T, _ C, p *Peer, _ byte) {
				p.Send(Frame(0x88, ClosePayload(1001, "tab closed")))
			},
		},
		{
			Name: "the peer closes illegally", Want: "peer closed 1002",
			End: func(_ *testing.T, _ C, p *Peer, _ byte) { p.Send(Frame(0x88, ClosePayload(1006, ""))) },
		},
		{
			Name: "we close", Want: "local closed 4000",
			End: func(t *testing.T, c C, p *Peer, _ byte) {
				go c.CloseWith(t.Context(), 4000, "bye")
				if got := p.End(); got != `4000 "bye"` {
					t.Errorf("the peer saw %s", got)
				}
			},
		},
		{
			Name: "we close and nobody answers", Want: "local closed 4000", Is: closeguard.ErrCloseIdle,
			End: func(t *testing.T, c C, _ *Peer, _ byte) { go c.CloseWith(t.Context(), 4000, "bye") },
		},
		{
			Name: "a message over the limit", Want: "local closed 1009", Is: a.Library.TooBig, tooBig: true,
			Before: func(c C) { c.SetReadLimit(8) },
			End: func(_ *testing.T, _ C, p *Peer, opcode byte) {
				p.Send(Frame(0x80|opcode, `"more than it takes"`))
			},
		},
		{
			Name: "an illegal frame", Want: "local closed 1002",
			End: func(_ *testing.T, _ C, p *Peer, _ byte) { p.Send(Frame(0x83, "")) },
		},
		{
			Name: "the end of TCP", Want: "dropped", Half: true,
			End: func(_ *testing.T, _ C, p *Peer, _ byte) { p.FIN() },
		},
		{
			Name: "a reset", Want: "dropped", Is: syscall.ECONNRESET,
			End: func(_ *testing.T, _ C, p *Peer, _ byte) { p.Reset() },
		},
		{
			Name: "Abort", Want: "dropped", Is: closeguard.ErrAborted,
			End: func(_ *testing.T, c C, _ *Peer, _ byte) { c.Abort() },
		},
		a.BareClose,
	}
}
