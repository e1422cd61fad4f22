package scenario

import (
	"errors"
	"fmt"
	"strings"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

// A row is one scenario and what must come out of it.
type row struct {
	name   string
	source string // where it comes from
	peer   []step
	app    app
	limits limits
	only   string // values that a setting must have

	// What the peer reads, and how TCP ends for it: `text "hi"; close 1000; FIN`.
	// `-`: it doesn't look. A * stands for anything.
	wire string

	// The close event: `peer closed 1000 clean, sent 1000, received 1000 "bye"`,
	// with what was intended and which rule was broken if that is set.
	event string

	cause error // is in the event's tree, nil: not looked at

	but []but // settings in which it is otherwise, the first that fits counts
}

// A but is where a row comes out differently, and why.
type but struct {
	when        string // values of the setting
	why         string
	wire, event string // "": as in the row
	cause       error
	not         bool // the row doesn't run there
	racy        bool // the row doesn't run there under the race detector: the library has a race
}

// limits are the limits of the closing handshake.
type limits int

const (
	usual   limits = iota // no row reaches them
	short                 // to be reached
	greedy                // of bytes only, to be reached however long that takes
	patient               // all but the idle limit to be reached, and the machine may be slow meanwhile
)

// runs reports whether the row runs in a setting.
func (r row) runs(s setting) bool {
	_, b := r.in(s)
	return b == nil || !b.not && (!b.racy || !raceDetector)
}

// in returns the row as it is in a setting, and the exception that was made.
func (r row) in(s setting) (row, *but) {
	for _, b := range r.but {
		if !s.is(b.when) {
			continue
		}
		if b.wire != "" {
			r.wire = b.wire
		}
		if b.event != "" {
			r.event = b.event
		}
		if b.cause != nil {
			r.cause = b.cause
		}
		return r, &b
	}
	return r, nil
}

// matches reports whether got is as want says.
func matches(want, got string) bool {
	parts := strings.Split(want, "*")
	if len(parts) == 1 {
		return want == got
	}
	got, ok := strings.CutPrefix(got, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, got, ok = strings.Cut(got, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(got, parts[last])
}

// misfits compares the event with what the peer saw, which the row has no say in.
func misfits(p *peer, ev closeguard.CloseEvent) (all []string) {
	end := ev.End()
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, fault := range p.faults {
		complain("the peer read %s", fault)
	}
	if p.after > 0 {
		complain("%d items came behind the Close", p.after)
	}
	sent := record.FrameText(end.Sent)
	// A peer that goes on sending is cut off by a reset, which its own Write may
	// be the one to hear of; a Close that was sent can be lost in it.
	switch looked := p.end == "FIN" && !errors.Is(ev, closeguard.ErrCloseBytes); {
	case len(p.closes) > 0 && p.closes[0] != sent:
		complain("the event says that %s was sent, the peer read %s", sent, p.closes[0])
	case len(p.closes) == 0 && end.Sent != nil && looked:
		complain("the event says that %s was sent, the peer read none", sent)
	}
	wrote, whole := p.closed()
	if end.Received != nil && (!whole || record.FrameText(end.Received) != wrote && end.Received.Code != closeguard.NoStatusReceived && ev.Clean()) {
		complain("the event says that %s was received, the peer wrote %q", record.FrameText(end.Received), wrote)
	}
	if _, ok := ev.(*closeguard.PeerClosed); ok && end.Received == nil {
		complain("the peer closed, with no frame")
	}
	if ev.Clean() != (end.Sent != nil && end.Received != nil && ev.Clean()) {
		complain("clean without both frames")
	}
	return all
}
