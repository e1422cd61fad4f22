package closetest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/closeguard/ws/closeguard"
)

// Seen is what a [Peer] saw of the end of a connection.
type Seen struct {
	// Close is what the first Close frame said, as far as that can be read; nil: none came.
	Close *closeguard.CloseFrame

	// Illegal is the rule that the first Close's payload broke, a *closeguard.FrameError;
	// nil: none.
	Illegal error

	// After counts the frames that came after the first Close. A proper endpoint sends none.
	After int

	// End is how the stream of the other side ended: io.EOF is a FIN between two frames,
	// io.ErrUnexpectedEOF one inside a frame, syscall.ECONNRESET a reset; net.ErrClosed:
	// the peer itself ended it, or Run's context did; nil: not ended.
	End error
}

func (s *Seen) note(f Frame) {
	switch {
	case s.Close != nil:
		s.After++
	case f.Opcode == OpClose:
		said, err := closeguard.ParseCloseFrame(f.Payload)
		s.Close, s.Illegal = &said, err
	}
}

// String says it in a few words: `1001 going away "bye", then FIN`, "no Close, then RST".
func (s Seen) String() string {
	out := "no Close"
	if s.Close != nil {
		out = s.Close.String()
	}
	if s.Illegal != nil {
		out += " (illegal)"
	}
	if s.After > 0 {
		out += fmt.Sprintf(", frames after it: %d", s.After)
	}
	switch {
	case s.End == nil:
		return out
	case errors.Is(s.End, io.ErrUnexpectedEOF):
		return out + ", then FIN inside a frame"
	case errors.Is(s.End, io.EOF):
		return out + ", then FIN"
	case errors.Is(s.End, syscall.ECONNRESET):
		return out + ", then RST"
	case errors.Is(s.End, net.ErrClosed):
		return out + ", then it closed itself"
	}
	return out + ", then " + s.End.Error()
}
