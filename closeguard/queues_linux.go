package closeguard

import (
	"encoding/binary"
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
	if !q.ask(nc, 0) || q.length < ackedAt+8 {
		return 0
	}
	return binary.NativeEndian.Uint64(q.info[ackedAt:])
}

// queued asks the kernel for the length of one of a socket's queues.
func queued(nc net.Conn, queue uintptr) (n int, known bool) {
	q := questions.Get().(*question)
	defer questions.Put(q)
	if !q.ask(nc, queue) {
		return 0, false
	}
	return int(q.length), true
}

// question asks for the length of a socket's queue, or for its struct tcp_info. Each
// connection's end asks one, so that what it needs is made once.
type question struct {
	call   func(fd uintptr) // q.put
	queue  uintptr          // 0: tcp_info
	errno  syscall.Errno
	length int32 // of the queue, or of info
	info   [ackedAt + 8]byte
}

var questions = sync.Pool{New: func() any {
	q := new(question)
	q.call = q.put
	return q
}}

func (q *question) put(fd uintptr) {
	if q.queue != 0 {
		_, _, q.errno = syscall.Syscall(syscall.SYS_IOCTL, fd, q.queue, uintptr(unsafe.Pointer(&q.length)))
		return
	}
	q.length = int32(len(q.info))
	_, _, q.errno = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
		uintptr(unsafe.Pointer(&q.info)), uintptr(unsafe.Pointer(&q.length)), 0)
}

// ask reports whether there is an answer.
func (q *question) ask(nc net.Conn, queue uintptr) bool {
	sc, ok := innermost(nc).(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	q.queue = queue
	return err == nil && raw.Control(q.call) == nil && q.errno == 0
}
