package model

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/closeguard/ws/closeguard/closetest"
)

// tap is the connection below the guard. It writes down in one order what the
// guard reads and writes there: the wire as it was.
type tap struct {
	*closetest.PipeConn
	began time.Time

	mu     sync.Mutex
	acts   []act
	step   int  // of the script, that is under way
	broken bool // the network is: nothing can be written
}

// act is one call that returned.
type act struct {
	what what
	from int // how many had returned before the moment in which a Write began
	b    []byte
	err  error
	at   time.Duration
	step int
}

type what string

const (
	reads      what = "reads"
	writes     what = "writes"
	endsStream what = "ends its stream"
	closes     what = "closes"
)

func (t *tap) note(w what, from int, b []byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acts = append(t.acts, act{w, from, bytes.Clone(b), err, time.Since(t.began), t.step})
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.PipeConn.Read(p)
	t.note(reads, 0, p[:n], err)
	return n, err
}

func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	broken, from := t.broken, len(t.acts)
	for from > 0 && t.acts[from-1].step == t.step && t.acts[from-1].at == time.Since(t.began) {
		from--
	}
	t.mu.Unlock()
	if broken {
		err := os.NewSyscallError("write", syscall.EHOSTUNREACH)
		t.note(writes, 0, nil, err)
		return 0, err
	}
	n, err := t.PipeConn.Write(p)
	t.note(writes, from, p[:n], err)
	return n, err
}

func (t *tap) CloseWrite() error {
	t.note(endsStream, 0, nil, nil)
	return t.PipeConn.CloseWrite()
}

func (t *tap) Close() error {
	t.note(closes, 0, nil, nil)
	return t.PipeConn.Close()
}

// ended reports whether the act says that TCP has ended or failed.
func (a act) ended() bool {
	return a.what == closes || a.what == endsStream || a.err != nil && !errors.Is(a.err, os.ErrDeadlineExceeded)
}

// begin takes note that a step begins.
func (t *tap) begin(step int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.step = step
}

func (t *tap) breakNetwork() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = true
}

// all are the acts so far.
func (t *tap) all() []act {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acts[:len(t.acts):len(t.acts)]
}

// String is the record for people.
func (t *tap) String() string {
	s := "on the wire, from the guard's side:\n"
	for _, a := range t.all() {
		s += fmt.Sprintf("%3d after %v: %s %s", a.step, a.at, a.what, short(a.b))
		if a.err != nil {
			s += " " + a.err.Error()
		}
		s += "\n"
	}
	return s
}
