package closeguard

import (
	"bytes"

	"github.com/closeguard/ws/closeguard/internal/closing"
	"github.com/closeguard/ws/closeguard/internal/wire"
)

// heldClose is a Close of the library's until its last byte has come: nobody
// can be waiting for half a Close.
type heldClose struct {
	scan    wire.Scanner
	payload wire.Collector
}

// take collects the frame's bytes from the start of p and returns how many,
// and whether the frame is whole.
func (h *heldClose) take(p []byte) (n int, whole bool) {
	for {
		took, token := h.scan.Next(p[n:])
		if token == wire.End || h.scan.InPayload() && token == wire.More {
			h.payload.Take(&h.scan, p[n:n+took])
		}
		n += took
		switch token {
		case wire.More:
			return n, false
		case wire.End:
			return n, true
		case wire.Start:
		}
	}
}

// written is the frame as the library wrote it if it had this payload and a mask,
// nil if it is to be made anew.
func (h *heldClose) written(payload []byte) []byte {
	head := h.scan.Header()
	if h.scan.Fault() != wire.NoFault || !head.Masked || !bytes.Equal(payload, h.payload.Payload()) {
		return nil
	}
	return wire.AppendControl(nil, wire.Close, payload, &head.Mask)
}

// writeCloseYielding takes p, which begins at or in a Close of the library's.
func (l *link) writeCloseYielding(p []byte) (int, error) {
	e := l.needEnding()
	if e.held == nil {
		e.hold = heldClose{scan: l.out.scan}
		e.held = &e.hold
	}
	h := e.held
	n, whole := h.take(p)
	if !whole {
		return n, nil
	}
	e.held = nil
	v := e.Outgoing(h.payload.Payload(), l.guard.now())
	e.noteBegin()
	if v.Send {
		frame := h.written(v.Payload)
		if frame == nil {
			frame = l.out.frame(wire.Close, v.Payload)
		}
		if err := l.sendLibrarysYielding(frame); err != nil {
			return 0, err
		}
	}
	m, err := l.afterClose(p[n:])
	return n + m, err
}

// beginsWord reports whether p, which the library writes though it has closed, is how
// the program says what to close with. The wire must be between two frames, or come to be.
func (l *link) beginsWord(p []byte) bool {
	return l.end.held != nil ||
		l.end.Edge() != closing.Broken && l.out.scan.Between() && len(p) > 0 && wire.Opcode(p[0]&0xf) == wire.Close
}

// sendLibrarysYielding writes the library's Close, in the library's own call. What
// its deadline cuts off, the guard sends.
func (l *link) sendLibrarysYielding(frame []byte) error {
	l.schedule()
	n, err := l.passYielding(frame)
	if err == nil {
		l.on(closing.Wrote{})
		return nil
	}
	l.on(wroteClose(frame[n:], err, l.resumable))
	return l.writeFailed(nil, err)
}

// afterClose takes what the library writes behind its Close.
func (l *link) afterClose(p []byte) (int, error) {
	n := 0
	if e := l.end; e.held != nil {
		// The rest of a Close that the guard's overtook.
		took, whole := e.held.take(p)
		if !whole {
			return took, nil
		}
		e.held, n = nil, took
	}
	took, refused := l.out.swallow(p[n:])
	if n += took; refused {
		return n, l.raw.errClosed("write")
	}
	return n, nil
}

// cutFrame remembers what is left of the frame that the library was in when it
// closed, so that the guard can write it to the end; what of it the library has not
// handed over yet is owed.
func (l *link) cutFrame(rest []byte) {
	rest = l.guard.joints.takeBack(l, rest)
	if l.out.scan.Between() {
		return
	}
	cut, behind := l.out.cut(rest)
	l.on(cut)
	if l.end.Edge() != closing.Broken {
		l.out.scan = behind
	}
}

// writeOwedYielding takes what the library still writes of the frame that its
// close cut. With the frame's end it learns that the connection is closed.
func (l *link) writeOwedYielding(p []byte) (int, error) {
	before := l.out.scan
	l.cutFrame(p)
	if l.end.Edge() == closing.Owed {
		return len(p), nil
	}
	n := restOfFrame(&before, p)
	l.runYielding()
	return n, l.raw.errClosed("write")
}
