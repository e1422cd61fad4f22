package closetest

import (
	"context"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// A Manner is a way in which a [Peer] behaves. Those of this package are variables with
// names, such as [Mute] and [Deaf]; a test may make its own.
type Manner struct {
	// Name is for the names of subtests.
	Name string

	// Do behaves. It returns when it has no more to do on the connection, or when using that fails.
	Do func(ctx context.Context, p *Peer)
}

// Run lets the peer behave so until the connection has ended, and returns what the peer
// saw of that. When ctx is done it ends the connection. When Run returns the peer's TCP
// is closed. In the meantime nobody else may use the peer.
func (m Manner) Run(ctx context.Context, p *Peer) Seen {
	stop := context.AfterFunc(ctx, func() { p.Close() }) // it is closed
	defer stop()
	m.Do(ctx, p)
	p.Close() // the same
	return p.seen
}

// Rude returns all manners but [Polite], those that last with times that suit
// [closeguard.Options]' defaults in a synctest bubble.
func Rude() []Manner {
	return []Manner{
		Deaf, Mute, Stalls, StallsInClose, Drips(time.Second), Sliced, Floods,
		Vanishes, VanishesInMessage, HalfCloses, Resets, HangsUp, AnswersAndResets,
		EchoesIllegal, SendsAfterClose, ClosesTwice, ClosesInMessage,
		EmptyClose, OneByteClose, IllegalClose, BadUTF8Close, LongClose, FragmentedClose,
		WrongMask, ReservedBits, ReservedOpcode, LyingLength, Interleaves, Continues,
	}
}

// Polite answers Pings and the program's Close, unless the peer has written one before,
// and reads until the program ends TCP. As a server it ends TCP itself when it has seen
// the Close.
var Polite = Manner{"polite", func(_ context.Context, p *Peer) { p.polite() }}

func (p *Peer) polite() {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return
		}
		switch f.Opcode {
		case OpPing:
			p.WriteFrame(Frame{Opcode: OpPong, Payload: f.Payload}) //nolint:errcheck // reading tells
		case OpClose:
			if !p.began.Load() {
				p.WriteFrame(Frame{Opcode: OpClose, Payload: f.Payload[:min(2, len(f.Payload))]}) //nolint:errcheck // the same
			}
			if p.role == closeguard.Server {
				return
			}
		}
	}
}

// begins is a peer that writes something at once and reads until the end; it answers nothing.
func begins(name string, do func(p *Peer)) Manner {
	return Manner{name, func(_ context.Context, p *Peer) {
		do(p)
		p.ReadToEnd()
	}}
}

// sends is a peer that writes frames at once and is polite for the rest.
func sends(name string, frames ...Frame) Manner {
	return Manner{name, func(_ context.Context, p *Peer) {
		p.WriteFrame(frames...) //nolint:errcheck // reading tells
		p.polite()
	}}
}

// replies is a peer that does something when the program's Close has come, and then reads
// until the end.
func replies(name string, do func(p *Peer)) Manner {
	return Manner{name, func(_ context.Context, p *Peer) {
		for p.seen.Close == nil {
			if _, err := p.ReadFrame(); err != nil {
				return
			}
		}
		do(p)
		p.ReadToEnd()
	}}
}

// streams is a peer that reads, answers nothing, and writes the pieces that next gives
// until writing fails.
func streams(name string, next func(over <-chan struct{}) []byte, begin []byte) Manner {
	return Manner{name, func(_ context.Context, p *Peer) {
		over := make(chan struct{})
		var writing sync.WaitGroup
		writing.Go(func() {
			err := p.WriteBytes(begin)
			for err == nil {
				b := next(over)
				if b == nil {
					return
				}
				err = p.WriteBytes(b)
			}
		})
		p.ReadToEnd()
		close(over)
		p.Close() // it wakes the writer
		writing.Wait()
	}}
}
