package closeguard

import (
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

var lingerBuffers = sync.Pool{New: func() any { return new([4096]byte) }}

// startLinger takes over reading (rule 6). A Read of the library's ends.
func (l *link) startLinger() {
	if l.in.Locked() {
		l.readBy(past)
	}
	l.in.Broadcast()
	if len(l.end.rounds) == 0 {
		l.guard.linger(l)
	}
	l.guard.freshReaders.Do(l.lingerFirst)
}

// lingerFirst reads for one slice of time as soon as our Close is out: most peers
// answer at once, and none of them shall wait behind one that doesn't.
func (l *link) lingerFirst() {
	over := time.Now().Add(slice)
	l.linger(func() (by time.Time, more bool) { return over, time.Now().Before(over) })
}

// lingerOn reads on: at leisure, or for a slice of time if others wait for their
// turn.
func (l *link) lingerOn() {
	over := time.Now().Add(slice)
	l.linger(func() (by time.Time, more bool) {
		if l.guard.readers.Waiting() {
			return over, time.Now().Before(over)
		}
		return time.Now().Add(leisure), true
	})
}

// linger reads for as long as turn says, and then waits for its next turn, until
// the connection or the peer's stream has ended.
func (l *link) linger(turn func() (by time.Time, more bool)) {
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return l.end.Stage() >= closing.Ending }) {
		return
	}
	defer l.in.Unlock()
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	l.on(closing.SliceBegun{})
	for by, more := turn(); more; by, more = turn() {
		n, alive := l.discardYielding(buf[:], by)
		if n == 0 && alive {
			l.on(closing.Looked{Facts: l.facts()})
		}
		if l.run(); !alive || l.end.Stage() >= closing.Ending {
			return
		}
	}
	l.on(closing.SliceOver{})
	l.guard.readers.Do(l.lingerOn)
}

// look reads once more what there is.
func (l *link) look() {
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return l.end.Reader() != closing.LastLook || l.end.Stage() >= closing.Ending }) {
		return // somebody else has looked
	}
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	for by := time.Now().Add(time.Millisecond); l.end.Stage() < closing.Ending; {
		if n, alive := l.discardYielding(buf[:], by); n == 0 || !alive {
			break
		}
	}
	l.in.Unlock()
	l.on(closing.Looked{Facts: l.facts()})
	l.run()
}

// discardYielding is one Read of the guard's. It tells the machine what came, and
// the caller whether more can come.
func (l *link) discardYielding(buf []byte, by time.Time) (n int, alive bool) {
	var err error
	l.readBy(by)
	l.yield(func() { n, err = l.raw.Read(buf) })
	n, err = counted(n, len(buf), err)
	if l.end.Stage() >= closing.Ending {
		return n, false
	}
	l.afterRead(buf[:n], err) //nolint:errcheck // nobody is there to be told
	if n > 0 {
		l.guard.stillLingers(l)
		l.on(closing.Discarded{Bytes: n})
	}
	return n, err == nil || ranOut(err)
}
