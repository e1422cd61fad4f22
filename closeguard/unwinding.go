package closeguard

import (
	"runtime"
	"slices"
)

// ourFunctions is what the names of this package's functions begin with in a call stack.
const ourFunctions = "github.com/closeguard/ws/closeguard."

// unwinding reports whether the calling goroutine is unwinding a panic. The
// deferred Close of a handler that panics runs before anybody can recover, so
// this is the only way to know then that 1011 is the truth.
func unwinding() bool { return onStack(64, "runtime.gopanic") }

// onStack reports whether one of the functions has called the calling one, as far
// as so many calls up.
func onStack(calls int, functions ...string) bool {
	pcs := make([]uintptr, calls)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		f, more := frames.Next()
		if slices.Contains(functions, f.Function) {
			return true
		}
		if !more {
			return false
		}
	}
}
