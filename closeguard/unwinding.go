package closeguard

import "runtime"

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

// surfaced takes note that no panic is to be waited for any more.
func (l *link) surfaced() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.app.UnderMiddleware = false
	l.run()
}
