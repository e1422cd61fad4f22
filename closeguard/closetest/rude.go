package closetest

import (
	"bytes"
	"context"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// Peers that leave a closing handshake unfinished. The guard's limits end it.
var (
	// Deaf never reads, so that what the program writes fills the buffers in between and
	// blocks it. It cannot notice the end: it stays until Run's context is done.
	Deaf = Manner{"deaf", func(ctx context.Context, _ *Peer) { <-ctx.Done() }}

	// Mute reads and never answers anything, a Close included.
	// closeguard.Options.CloseIdle ends it.
	Mute = begins("mute", func(*Peer) {})

	// Stalls writes the first half of a text frame and nothing more.
	Stalls = begins("stalls", func(p *Peer) {
		p.WriteFrame(Frame{Opcode: OpText, Payload: []byte("only half"), Claim: 18}) //nolint:errcheck // reading tells
	})

	// StallsInClose answers the program's Close with the first byte of a Close and nothing more.
	StallsInClose = replies("stalls in its close", func(p *Peer) {
		p.WriteBytes([]byte{0x88}) //nolint:errcheck // reading tells
	})

	// Floods writes messages of 64 KiB without end, as a peer does whose upload was
	// refused, and answers nothing. closeguard.Options.CloseBytes ends it, or
	// CloseTimeout.
	Floods = Manner{"floods", func(ctx context.Context, p *Peer) {
		message := Frame{Opcode: OpBinary, Payload: make([]byte, 64<<10)}.append(nil, p.role)
		streams("", func(<-chan struct{}) []byte { return message }, nil).Do(ctx, p)
	}}
)

// Drips returns a peer that writes one byte of an endless binary message at a time, one
// every so often, so that it is never silent, and answers nothing.
// closeguard.Options.CloseTimeout ends it.
func Drips(every time.Duration) Manner {
	return Manner{"drips", func(ctx context.Context, p *Peer) {
		head := Frame{Opcode: OpBinary, Claim: 1 << 40}.append(nil, p.role)
		tick := time.NewTicker(every)
		defer tick.Stop()
		streams("", func(over <-chan struct{}) []byte {
			select {
			case <-tick.C:
				return []byte{0}
			case <-over:
				return nil
			}
		}, head).Do(ctx, p)
	}}
}

// Sliced is [Polite], but each byte that it writes, its answer to a Close included, is a
// Write of its own.
var Sliced = Manner{"sliced", func(_ context.Context, p *Peer) {
	p.piece = 1
	defer func() { p.piece = 0 }()
	p.WriteText("in slices") //nolint:errcheck // reading tells
	p.polite()
}}

// Peers that end TCP where a Close is due.
var (
	// Vanishes closes TCP at once without a Close. That is a FIN, or a reset if something
	// was unread.
	Vanishes = Manner{"vanishes", func(_ context.Context, p *Peer) { p.Close() }} // it is closed

	// VanishesInMessage writes the first fragment of a message and closes TCP.
	VanishesInMessage = Manner{"vanishes in a message", func(_ context.Context, p *Peer) {
		p.WriteFrame(Frame{Opcode: OpText, Payload: []byte("only half"), More: true}) //nolint:errcheck // Close follows
	}}

	// HalfCloses ends its own direction of TCP at once and reads on.
	HalfCloses = begins("half-closes", func(p *Peer) { p.CloseWrite() }) //nolint:errcheck // reading tells

	// Resets resets TCP at once.
	Resets = Manner{"resets", func(_ context.Context, p *Peer) { p.Reset() }} //nolint:errcheck // Run closes

	// HangsUp closes TCP when the program's Close comes, without an answer.
	HangsUp = replies("hangs up", func(p *Peer) { p.Close() }) // it is closed

	// AnswersAndResets answers the program's Close and resets TCP right behind it.
	AnswersAndResets = replies("answers and resets", func(p *Peer) {
		p.WriteClose(closeguard.NormalClosure, "") //nolint:errcheck // Reset follows
		p.Reset()                                  //nolint:errcheck // Run closes
	})
)

// Peers whose Close is not what it should be.
var (
	// EchoesIllegal answers the program's Close with 1006, which must not be sent.
	EchoesIllegal = replies("echoes illegally", func(p *Peer) {
		p.WriteClose(closeguard.AbnormalClosure, "") //nolint:errcheck // reading tells
	})

	// SendsAfterClose answers the program's Close and goes on with a message, a Ping and
	// another Close.
	SendsAfterClose = replies("sends after its close", func(p *Peer) {
		p.WriteFrame(closing(closeguard.NormalClosure, ""), text("late"), Frame{Opcode: OpPing}, closing(4000, "late")) //nolint:errcheck // reading tells
	})

	// ClosesTwice begins with two Closes in one Write, 4000 and 4001. The first one counts.
	ClosesTwice = sends("closes twice", closing(4000, "first"), closing(4001, "second"))

	// ClosesInMessage begins with a Close, 1001, between the fragments of a message. That is legal.
	ClosesInMessage = sends("closes in a message", Frame{Opcode: OpText, Payload: []byte("only half"), More: true}, closing(closeguard.GoingAway, ""))

	// EmptyClose begins with a Close without a code. That is legal, and means 1005.
	EmptyClose = sends("empty close", Frame{Opcode: OpClose})

	// OneByteClose begins with a Close whose payload is one byte, half a code.
	OneByteClose = sends("one-byte close", Frame{Opcode: OpClose, Payload: []byte{3}})

	// IllegalClose begins with a Close that has the code 1005, which must not be sent.
	IllegalClose = sends("illegal close", closing(closeguard.NoStatusReceived, ""))

	// BadUTF8Close begins with a Close, 1000, whose reason is not UTF-8.
	BadUTF8Close = sends("close with bad UTF-8", closing(closeguard.NormalClosure, "\xff"))

	// LongClose begins with a Close of 126 bytes, one more than a control frame may have.
	LongClose = sends("long close", Frame{Opcode: OpClose, Payload: append([]byte{3, 232}, bytes.Repeat([]byte{'x'}, 124)...)})

	// FragmentedClose begins with a Close in two fragments, which a control frame must not have.
	FragmentedClose = sends("fragmented close", Frame{Opcode: OpClose, Payload: []byte{3, 232}, More: true}, Frame{Opcode: OpContinuation})
)

// Peers that break a rule of framing at once: the program's side closes with 1002. They
// are polite for the rest.
var (
	// WrongMask writes a text frame that is not masked; as a server, one that is.
	WrongMask = sends("wrong mask", Frame{Opcode: OpText, Payload: []byte("bare"), WrongMask: true})

	// ReservedBits writes a text frame with RSV3 set, which no extension uses.
	ReservedBits = sends("reserved bits", Frame{Opcode: OpText, RSV: 1})

	// ReservedOpcode writes a frame with the opcode 3.
	ReservedOpcode = sends("reserved opcode", Frame{Opcode: 3})

	// LyingLength writes the header of a frame whose length has the highest of its 64 bits set.
	LyingLength = sends("lying length", Frame{Opcode: OpBinary, Claim: 1 << 63})

	// Interleaves begins a message inside another one.
	Interleaves = sends("interleaves", Frame{Opcode: OpText, More: true}, Frame{Opcode: OpText})

	// Continues continues a message that was never begun.
	Continues = sends("continues nothing", Frame{Opcode: OpContinuation})
)
