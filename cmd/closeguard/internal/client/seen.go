package client

import (
	"fmt"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// An End is how the server's direction of a connection ended.
type End uint8

// The ways to end.
const (
	Open   End = iota // not ended
	FIN               // between two frames
	Cut               // FIN inside a frame
	Reset             // TCP's RST
	Failed            // any other error of the connection
	Halted            // the client stopped reading: a rule of framing was broken, or too much came
)

// String says it in the words of the reports.
func (e End) String() string {
	switch e {
	case Open:
		return "TCP open"
	case FIN:
		return "FIN"
	case Cut:
		return "FIN inside a frame"
	case Reset:
		return "reset"
	case Failed:
		return "TCP failed"
	case Halted:
		return "reading given up"
	}
	return fmt.Sprintf("End(%d)", uint8(e))
}

// Seen is what a connection has seen of the server. Times count from the end of the
// opening handshake.
type Seen struct {
	Close   *closeguard.CloseFrame // what the first Close said, as far as it can be read; nil: none came
	CloseAt time.Duration
	Illegal error  // the rule that the first Close's payload broke
	After   int    // frames after the first Close
	Broken  string // the first rule of framing that the server broke
	Pongs   []string
	Frames  int // those that are no control frames
	Bytes   int64
	End     End
	EndAt   time.Duration
}

// String says it in a few words. A reason is quoted and escaped.
func (s Seen) String() string {
	out := "no Close"
	if s.Close != nil {
		out = "Close " + s.Close.String()
	}
	if s.Illegal != nil {
		out += " (illegal)"
	}
	if s.Broken != "" {
		out += ", " + s.Broken
	}
	if s.After > 0 {
		out += fmt.Sprintf(", %d more behind it", s.After)
	}
	out += ", " + s.End.String()
	if s.End != Open && s.EndAt >= time.Second {
		out += fmt.Sprintf(" after %.1f s", s.EndAt.Seconds())
	}
	return out
}
