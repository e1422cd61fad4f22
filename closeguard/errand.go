package closeguard

// errand is whether the connection is in the middle of something.
type errand uint8

const (
	idle    errand = iota // see Handle.Idle
	busy                  // see Handle.Busy
	awaited               // busy, and a shutdown waits for it
)

// await asks to be told when it turns idle, and reports whether it is busy.
func (e *errand) await() bool {
	if *e == busy {
		*e = awaited
	}
	return *e == awaited
}

// set begins or ends it, and reports whether somebody waits for that.
func (e *errand) set(isBusy bool) (due bool) {
	due = !isBusy && *e == awaited
	switch {
	case !isBusy:
		*e = idle
	case *e == idle:
		*e = busy
	}
	return due
}

// Busy marks the connection as in the middle of something that a shutdown
// should let it finish. It is idle until then and again after [Handle.Idle].
func (h *Handle) Busy() {
	if h != nil {
		h.setBusy(true)
	}
}

// Idle takes Busy back. If a shutdown has begun, the connection is closed now.
func (h *Handle) Idle() {
	if h != nil {
		h.setBusy(false)
	}
}

func (h *Handle) setBusy(is bool) {
	l := h.link
	l.mu.Lock()
	due := l.errand.set(is)
	l.mu.Unlock()
	if due {
		l.guard.shutdown().close(l)
	}
}
