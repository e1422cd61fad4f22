package closeguard

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"syscall"
	"unsafe"
)

// unreadBytes is how many bytes lie in the kernel that nobody has read. It is not
// known of a transport that is no socket.
func unreadBytes(nc net.Conn) (n int, known bool) {
	return queued(nc, syscall.TIOCINQ)
}

// outflow asks the kernel what has become of the bytes that we sent. How many were
// acknowledged in all only TCP tells.
func outflow(nc net.Conn) (f flow, known bool) {
	if f.unacked, known = queued(nc, syscall.TIOCOUTQ); known {
		f.acked = ackedBytes(nc)
	}
	return f, known
}

// ackedAt is where tcpi_bytes_acked lies in the kernel's struct tcp_info, since
// Linux 4.1 (include/uapi/linux/tcp.h).
const ackedAt = 120

func ackedBytes(nc net.Conn) uint64 {
	q := questions.Get().(*question)
	defer questions.Put(q)
	q.length = ackedAt + 8
	if q.ask(nc, syscall.SYS_GETSOCKOPT, syscall.IPPROTO_TCP, syscall.TCP_INFO, unsafe.Pointer(&q.info), unsafe.Pointer(&q.length)) != nil ||
		q.length < ackedAt+8 {
		return 0
	}
	return binary.NativeEndian.Uint64(q.info[ackedAt:])
}

// queued asks the kernel for the length of one of a socket's queues.
func queued(nc net.Conn, which uintptr) (n int, known bool) {
	q := questions.Get().(*question)
	defer questions.Put(q)
	if q.ask(nc, syscall.SYS_IOCTL, which, 0, unsafe.Pointer(&q.length), nil) != nil {
		return 0, false
	}
	return int(q.length), true
}

// question is a system call on a socket's descriptor. Each connection's end asks one,
// so that what it needs is made once.
type question struct {
	call          func(fd uintptr) // q.make
	number        uintptr
	first, second uintptr        // arguments behind the descriptor
	out, size     unsafe.Pointer // and behind those; an ioctl's out is its second
	errno         syscall.Errno
	length        int32
	info          [ackedAt + 8]byte
}

var questions = sync.Pool{New: func() any {
	q := new(question)
	q.call = q.make
	return q
}}

func (q *question) make(fd uintptr) {
	if q.number == syscall.SYS_IOCTL {
		_, _, q.errno = syscall.Syscall(q.number, fd, q.first, uintptr(q.out))
	} else {
		_, _, q.errno = syscall.Syscall6(q.number, fd, q.first, q.second, uintptr(q.out), uintptr(q.size), 0)
	}
}

func (q *question) ask(nc net.Conn, number, first, second uintptr, out, size unsafe.Pointer) error {
	sc, ok := innermost(nc).(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	q.number, q.first, q.second, q.out, q.size = number, first, second, out, size
	if err := raw.Control(q.call); err != nil {
		return err
	}
	if q.errno != 0 {
		return q.errno
	}
	return nil
}
