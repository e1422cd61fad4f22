package closeguard

import (
	"bufio"
	"io"
	"reflect"
	"runtime"
	"time"

	"github.com/closeguard/ws/closeguard/internal/closing"
)

// serverReader is what the bufio.Reader of Hijack reads from: the guarded connection,
// by way of net/http's own reader, which ends the request's context when a Read of
// it fails. Libraries that read from the net.Conn let go of it at once.
type serverReader struct {
	conn  *Conn
	below io.Reader // net/http's
}

// reader returns what the program's bufio.Reader of Hijack shall read from. What rd
// reads from so far, net/http's own reader, stays as it is, because the request's body
// reads from it, too: rd's copy hands it over.
func (c *Conn) reader(rd *bufio.Reader) io.Reader {
	if !readsFromServer(rd) {
		return c // a wrapper's, which net/http doesn't see fail
	}
	s := &serverReader{conn: c}
	empty := *rd
	empty.Discard(empty.Buffered()) //nolint:errcheck // they are there
	empty.WriteTo(s)                //nolint:errcheck // it only hands over what it reads from
	if s.below == nil {
		return c
	}
	return s
}

// source is the field of a bufio.Reader that says what it reads from. It is looked up
// here because that needs much of the stack, which stays as large.
var source, hasSource = reflect.TypeFor[bufio.Reader]().FieldByName("rd")

// readsFromServer reports whether a bufio.Reader reads from net/http's own reader. A
// wrapper's may read as soon as its WriteTo is called.
func readsFromServer(rd *bufio.Reader) bool {
	if !hasSource || source.Type.Kind() != reflect.Interface {
		return false
	}
	from := reflect.ValueOf(rd).Elem().Field(source.Index[0])
	if from.IsNil() {
		return false
	}
	t := from.Elem().Type()
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "net/http"
}

// ReadFrom gets what a bufio.Reader reads from, and reads nothing.
func (s *serverReader) ReadFrom(r io.Reader) (int64, error) {
	s.below = r
	return 0, io.EOF
}

// Write is there because WriteTo asks for a Writer. It takes nothing.
func (s *serverReader) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Read is Conn.Read by way of net/http's reader. That has to see also the errors
// that the guard gives without a Read of the transport's.
func (s *serverReader) Read(p []byte) (n int, err error) {
	defer runtime.KeepAlive(s.conn)
	l := s.conn.link
	if err := l.beginRead(); err != nil {
		s.fail()
		return 0, err
	}
	returned := false
	defer func() {
		if !returned {
			l.readPanicked()
		}
	}()
	var failed error
	if n, err = l.readRest(p); n == 0 && err == nil {
		n, failed = s.below.Read(p)
		err = failed
	}
	returned = true
	if n, err = l.endRead(p, n, err); err != nil && failed == nil {
		s.fail()
	}
	return n, err
}

// fail makes a Read of net/http's fail, and gives it a moment: it may have to wait
// until the guard has looked up from its reading, or TCP is closed.
func (s *serverReader) fail() {
	l := s.conn.link
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.needEnding().linger
	r.owed = s.below
	reads := l.in.Locked()
	if state := l.end.Reader(); reads && l.end.Stage() < closing.Ending && (state == closing.Slice || state == closing.AwaitFIN) {
		l.readBy(past) // the guard looks up from its reading
	}
	if l.ended.final() || l.resumable && !reads && l.end.Stage() < closing.Ending {
		l.yield(r.pay)
		return
	}
	l.guard.lookers.Do(r.pay)
	t := time.NewTimer(patience)
	defer t.Stop()
	for over := false; r.owed != nil && !over; {
		changed := l.in.Changed()
		l.yield(func() {
			select {
			case <-changed:
			case <-t.C:
				over = true
			}
		})
	}
}

// pay makes the Read fail that is owed to net/http, when nobody reads.
func (r *lingerer) pay() {
	l := r.link
	defer l.survive()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.in.Lock(&l.mu, func() bool { return r.owed == nil }) {
		return
	}
	defer l.run()
	defer l.unlockReading()
	buf := lingerBuffers.Get().(*[4096]byte)
	defer lingerBuffers.Put(buf)
	r.payYielding(buf[:])
}

// payYielding is pay for whoever has the direction's lock. A deadline in the past
// makes the Read fail before it has read anything, but for what TLS has decrypted
// already: that is the guard's to look at.
func (r *lingerer) payYielding(buf []byte) {
	l := r.link
	for r.owed != nil {
		server := r.owed
		var n int
		var err error
		l.readBy(past) // also behind our Close of TCP: a wrapper's may take its time
		l.yield(func() { n, err = server.Read(buf) })
		n, err = counted(n, len(buf), err)
		if r.took(buf[:n], err); err != nil || n == 0 {
			r.owed = nil
			l.in.Broadcast()
		}
	}
}
