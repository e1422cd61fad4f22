package closeguard

import (
	"container/list"
	"io"
	"sync"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// lingerer reads for the guard: what comes after our Close (rule 6), and once more
// before a limit ends the connection.
type lingerer struct {
	link  *link
	place *list.Element // among the guard's lingerers and guarded by their mu; nil: it is not there
	owed  io.Reader     // net/http's, of which a Read has to fail; nil: none has
}

var lingerBuffers = sync.Pool{New: func() any { return new([4096]byte) }}

// start takes over reading. A Read of the library's ends.
func (r *lingerer) start() {
	l := r.link
	if l.in.Locked() {
		l.readBy(past)
	}
	l.in.Broadcast()
	l.end.lookAtAcks(l.raw, l.guard.now())
	if len(l.end.rounds) == 0 {
		l.guard.linger(r)
	}
	l.guard.freshReaders.Do(r.readFirst)
}

// readFirst reads for one slice of time as soon as our Close is out: most peers
// answer at once, and none of them shall wait behind one that doesn't.
func (r *lingerer) readFirst() {
	over := time.Now().Add(slice)
	r.read(func() (by time.Time, more bool) { return over, time.Now().Before(over) })
}

// readOn reads on: at leisure, or for a slice of time if others wait for their
// turn.
func (r *lingerer) readOn() {
	over := time.Now().Add(slice)
	r.read(func() (by time.Time, more bool) {
		if r.link.guard.readers.Waiting() {
			return over, time.Now().Before(over)
		}
		return time.Now().Add(leisure), true
	})
}

// read reads for as long as turn says, and then waits for its next turn, until
// the connection or the peer's stream has ended.
func (r *lingerer) read(turn func() (by time.Time, more bool)) {
	l := r.link
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return l.end.Stage() >= closing.Ending }) {
		return
	}
	defer l.unlockReading()
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	l.on(closing.SliceBegun{})
	for by, more := turn(); more; by, more = turn() {
		r.payYielding(buf[:])
		n, alive := r.discardYielding(buf[:], by)
		if n == 0 && alive {
			l.on(closing.Looked{Facts: l.facts()})
		}
		if l.run(); !alive || l.end.Stage() >= closing.Ending {
			return
		}
	}
	l.on(closing.SliceOver{})
	l.guard.readers.Do(r.readOn)
}

// look reads once more what there is.
func (r *lingerer) look() {
	l := r.link
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return l.end.Reader() != closing.LastLook || l.end.Stage() >= closing.Ending }) {
		return // somebody else has looked
	}
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	for by := time.Now().Add(time.Millisecond); l.end.Stage() < closing.Ending; {
		if n, alive := r.discardYielding(buf[:], by); n == 0 || !alive {
			break
		}
	}
	l.unlockReading()
	l.on(closing.Looked{Facts: l.facts()})
	l.run()
}

// lookFirstYielding reads what lies unread before a Close of ours begins for a
// program that is done, up to 1 MiB: a Close of the peer's in it was first. Only from
// plain sockets: what lies unread below TLS or a wrapper may be half of something,
// and the program waits for this.
func (r *lingerer) lookFirstYielding() {
	l := r.link
	if !l.resumable || !l.end.MayBegin() && !l.end.HalfClosed() || l.end.TheirCloseCame() || l.in.Locked() {
		return
	}
	unread, _ := unreadBytes(l.raw.Conn)
	if unread == 0 {
		return
	}
	l.in.LockNow()
	defer l.unlockReading()
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	for unread = min(unread+l.in.ahead.left(), 1<<20); unread > 0; {
		n, alive := r.discardYielding(buf[:], time.Now().Add(time.Millisecond))
		if unread -= n; n == 0 || !alive {
			return
		}
	}
}

// discardYielding is one Read of the guard's. It tells the machine what came, and
// the caller whether more can come.
func (r *lingerer) discardYielding(buf []byte, by time.Time) (n int, alive bool) {
	l := r.link
	if n = l.in.ahead.take(buf); n > 0 {
		return n, r.took(buf[:n], nil)
	}
	var err error
	l.readBy(by)
	l.yield(func() { n, err = l.raw.Read(buf) })
	n, err = counted(n, len(buf), err)
	return n, r.took(buf[:n], err)
}

// took takes what a Read of the guard's brought, also if TCP is being closed
// meanwhile, and says whether more can come.
func (r *lingerer) took(p []byte, err error) (alive bool) {
	l := r.link
	l.afterRead(p, err) //nolint:errcheck // nobody is there to be told
	if l.end.Stage() >= closing.Ending {
		return false
	}
	if len(p) > 0 {
		l.guard.lingerers.heard(r)
		l.on(closing.Discarded{Bytes: len(p)})
	}
	return err == nil || ranOut(err)
}
