package count

import (
	"bytes"
	"os"
	"strconv"
)

// calls are the system calls of a thread that read and that write, of all
// kinds: read, readv, write, writev and so on, those included that came back
// with EAGAIN.
type calls struct {
	reads, writes int64
	err           error // why they could not be counted
}

// threadIO reads the kernel's count of one thread's system calls.
type threadIO struct {
	file *os.File
	own  int64 // reads of the count itself
	buf  [512]byte
}

// openThreadIO opens the count of the calling thread, which the goroutine must
// be locked to.
func openThreadIO() (*threadIO, error) {
	f, err := os.Open("/proc/thread-self/io")
	if err != nil {
		return nil, err
	}
	return &threadIO{file: f}, nil
}

// read doesn't count itself, and allocates nothing.
func (t *threadIO) read() calls {
	n, err := t.file.ReadAt(t.buf[:], 0)
	if n == 0 {
		return calls{err: err}
	}
	t.own += 2 // the one that reads and the one that finds the end
	var c calls
	if c.reads, err = field(t.buf[:n], "syscr: "); err != nil {
		return calls{err: err}
	}
	c.writes, err = field(t.buf[:n], "syscw: ")
	c.err = err
	c.reads -= t.own
	return c
}

func (t *threadIO) close() { t.file.Close() }

func field(b []byte, name string) (int64, error) {
	_, b, _ = bytes.Cut(b, []byte(name))
	b, _, _ = bytes.Cut(b, []byte("\n"))
	return strconv.ParseInt(string(b), 10, 64)
}
