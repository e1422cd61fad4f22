package closeguard

import (
	"runtime"
	"time"
)

// unwinding reports whether the calling goroutine is unwinding a panic. The
// deferred Close of a handler that panics runs before anybody can recover, so
// this is the only way to know then that 1011 is the truth.
func unwinding() bool {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function == "runtime.gopanic" {
			return true
		}
		if !more {
			return false
		}
	}
}

// awaitPanic reports whether the event waits for the panic of a handler whose
// deferred Close has ended the connection already. It waits no longer than a
// moment: the handler may still have much to do, and the panic need not be its own.
func (l *link) awaitPanic() bool {
	if !l.closedByPanic || !l.beneath || l.panic != nil {
		return false
	}
	time.AfterFunc(lastWait, l.surfaced)
	return true
}

// surfaced takes note that no panic is to be waited for any more.
func (l *link) surfaced() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beneath = false
	l.report()
}
