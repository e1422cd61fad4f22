package differential

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// What can differ.
const (
	ofAnswer  = "the HTTP answers"
	ofFrames  = "the frames"
	ofEnd     = "the end of TCP"
	ofTime    = "when TCP ended"
	ofCall    = "a call"
	ofHandler = "where the handler is"
	ofContext = "the request's context"
	ofServer  = "net/http's log"
	ofPanic   = "the panic"
	ofGuard   = "the guard's log"
)

// A difference is one thing that was seen otherwise with the guard.
type difference struct {
	of            string
	step          int // of a call
	bare, guarded string

	sc   script
	b, g observation
}

func (d difference) String() string {
	name := d.of
	if d.of == ofCall {
		name = fmt.Sprintf("step %d, %v,", d.step, d.sc.steps[d.step])
	}
	return fmt.Sprintf("%s\n      bare:    %s\n      guarded: %s", name, d.bare, d.guarded)
}

// verb is what the handler did in the call.
func (d difference) verb() string {
	if d.of != ofCall {
		return ""
	}
	return d.sc.steps[d.step].verb
}

// is reports whether the difference is of one of these things.
func (d difference) is(things ...string) bool {
	for _, of := range things {
		if d.of == of {
			return true
		}
	}
	return false
}

// compare lists all that differs.
func compare(sc script, b, g observation) []difference {
	var all []difference
	differ := func(of string, step int, bare, guarded string) {
		if bare != guarded {
			all = append(all, difference{of, step, bare, guarded, sc, b, g})
		}
	}
	differ(ofAnswer, 0, fmt.Sprintf("%q", b.answer), fmt.Sprintf("%q", g.answer))
	differ(ofFrames, 0, list(sc, b), list(sc, g))
	differ(ofEnd, 0, b.end, g.end)
	differ(ofTime, 0, b.time, g.time)
	for i := range sc.steps {
		differ(ofCall, i, b.calls[i], g.calls[i])
	}
	differ(ofHandler, 0, b.handler, g.handler)
	differ(ofContext, 0, b.context, g.context)
	differ(ofServer, 0, strings.Join(b.server, "\n"), strings.Join(g.server, "\n"))
	differ(ofPanic, 0, b.panic, g.panic)
	differ(ofGuard, 0, strings.Join(b.guard, "\n"), strings.Join(g.guard, "\n"))
	return all
}

// list is what came behind the 101. How much of a frame a narrow connection
// has taken when it is cut, is the kernel's affair.
func list(sc script, o observation) string {
	var words []string
	for _, f := range o.frames {
		words = append(words, f.String())
	}
	switch {
	case len(o.rest) > 0 && sc.narrow:
		words = append(words, "and a part of a frame")
	case len(o.rest) > 0:
		words = append(words, fmt.Sprintf("and %d bytes, % x", len(o.rest), o.rest[:min(len(o.rest), 8)]))
	}
	return strings.Join(words, ", ")
}

// closeIn returns the first Close among frames, and how many come before and
// after it.
func closeIn(fs []rawpeer.Frame) (f rawpeer.Frame, before, after int, ok bool) {
	for i, f := range fs {
		if f.Opcode == rawpeer.OpClose {
			return f, i, len(fs) - i - 1, true
		}
	}
	return rawpeer.Frame{}, len(fs), 0, false
}

// report prints the two observations side by side.
func report(sc script, b, g observation) string {
	var s strings.Builder
	line := func(name, bare, guarded string) {
		mark := "  "
		if bare != guarded {
			mark = "! "
		}
		if bare == guarded {
			fmt.Fprintf(&s, "%s%s: %s\n", mark, name, bare)
			return
		}
		fmt.Fprintf(&s, "%s%s\n      bare:    %s\n      guarded: %s\n", mark, name, bare, guarded)
	}
	line(ofAnswer, fmt.Sprintf("%q", b.answer), fmt.Sprintf("%q", g.answer))
	line(ofFrames, list(sc, b), list(sc, g))
	line(ofEnd, b.end, g.end)
	line(ofTime, b.time, g.time)
	for i, st := range sc.steps {
		if st.who == handler {
			line(fmt.Sprintf("step %d, %v", i, st), b.calls[i], g.calls[i])
		}
	}
	line(ofHandler, b.handler, g.handler)
	line(ofContext, b.context, g.context)
	line(ofServer, strings.Join(b.server, "\n"), strings.Join(g.server, "\n"))
	line(ofPanic, b.panic, g.panic)
	line(ofGuard, strings.Join(b.guard, "\n"), strings.Join(g.guard, "\n"))
	return s.String()
}
