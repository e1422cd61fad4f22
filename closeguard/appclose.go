package closeguard

import (
	"time"

	"github.com/closeguard/ws/closeguard/cause"
	"github.com/closeguard/ws/closeguard/internal/closing"
)

// close is the library's Close of the net.Conn. The reason counts if nothing has
// ended the connection before.
func (l *link) close(why cause.Cause) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != phaseOpen {
		return l.closePlainYielding()
	}
	if l.guard.joints.leaveYielding(l, jointPatience) {
		l.writeBy(time.Time{}) // a Close that the program still says sets its own
	}
	if !l.app.Serving { // before anybody learns that the library is done: it is not known yet who was first
		l.needEnding().linger.lookFirstYielding()
	}
	if l.app.Closed && (why == cause.BareClose || !l.end.awaitsWord()) {
		return l.raw.errClosed("close")
	}
	l.libraryDone()
	if l.app.Serving {
		l.wakeServed()
		return nil
	}
	if !l.ended.final() && (l.app.UnderMiddleware || l.machine().MayBegin()) && unwinding() {
		l.app.Panic = max(l.app.Panic, closing.PanicAwaited)
	}
	if why == cause.BareClose && l.end.closedForContextYielding() {
		return nil
	}
	l.end.word = 0
	var bare *closing.Frame
	if l.machine().MayBegin() { // no silent end (rule 5)
		bare = l.bareCloseYielding()
		l.noteCanceled(l.conn.Value().canceled())
	}
	l.on(closing.LibraryClosed{Bare: bare, Reason: closing.Reason{Cause: why}})
	l.finishCloseYielding()
	return nil
}

// bareCloseYielding is what a peer is told whose connection the library closes
// without a word, nil for nothing.
func (l *link) bareCloseYielding() *closing.Frame {
	r := l.machine().Record()
	f := CloseFrame{Code: l.guard.opts.BareClose}
	if l.bareClose != 0 {
		f.Code = Code(l.bareClose)
	}
	switch {
	case l.app.Panic != closing.NoPanic:
		f = internalError
	case r.Open() && l.guard.shutdown() != nil:
		info := l.info()
		l.yield(func() { f = l.guard.shutdownFrame(info) })
	}
	if f.Code == NoClose {
		return nil
	}
	frame := f.inside()
	return &frame
}

// libraryDone takes note that the library is done with the connection. Of a frame that
// it writes in pieces, and is not in a Write of, it owes the rest.
func (l *link) libraryDone() {
	if l.app.Closed {
		return
	}
	l.app.Closed = true
	l.needEnding().keepContext()
	l.ended.grow(known)
	l.disableFast()
	m := l.machine()
	if r := m.Record(); !l.out.Locked() && !m.CloseCut() && r.TimedOut.Err == nil {
		l.cutFrame(nil)
	}
}

// finishCloseYielding sends what is to be sent when the library closes, and waits
// a moment for it. If the library is gone, its blocked calls end: with TLS, where
// a Write that is cut can't be gone on with, only after that moment.
func (l *link) finishCloseYielding() {
	waited := l.pushYielding()
	if l.resumable && l.app.Gone() {
		l.wakeCalls()
	}
	if !waited {
		l.end.ours.awaitYielding(patience)
	}
	if l.app.Gone() {
		l.on(closing.Disowned{})
		l.runYielding()
		l.wakeCalls()
	}
}

// closePlainYielding closes a connection that isn't guarded.
func (l *link) closePlainYielding() (err error) {
	if l.phase == phaseHTTP && !l.app.Closed {
		l.opening.refuseYielding(0)
	}
	l.app.Closed = true
	l.yield(func() { err = l.raw.Close() })
	return err
}

// wakeCalls ends the calls of the library's that are blocked.
func (l *link) wakeCalls() {
	l.wakeRead()
	l.wakeWrite()
}

// wakeServed is wakeCalls while a handler runs. With TLS a Write that is under
// way is given the moment that finishCloseYielding gives it.
func (l *link) wakeServed() {
	l.wakeRead()
	if l.resumable {
		l.wakeWrite()
		return
	}
	time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wakeWrite()
	})
}

func (l *link) wakeRead() {
	if m := l.machine(); l.in.Locked() && m.Reader() < closing.Queued && m.Stage() < closing.Ending {
		l.readBy(past)
	}
	l.in.Broadcast()
}

func (l *link) wakeWrite() {
	if m := l.machine(); l.out.Locked() && !m.GuardSends() && m.Stage() < closing.Ending {
		l.writeBy(past)
	}
	l.out.Broadcast()
}
