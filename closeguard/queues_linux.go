package closeguard

import (
	"net"
	"syscall"
	"unsafe"
)

// unreadBytes is how many bytes lie in the kernel that nobody has read. It is not
// known of a transport that is no socket.
func unreadBytes(nc net.Conn) (n int, known bool) {
	return queued(nc, syscall.TIOCINQ)
}

// unackedBytes is how many bytes of ours the peer's kernel has not acknowledged.
func unackedBytes(nc net.Conn) (n int, known bool) {
	return queued(nc, syscall.TIOCOUTQ)
}

// queued asks the kernel for the length of one of a socket's queues.
func queued(nc net.Conn, which uintptr) (n int, known bool) {
	sc, ok := innermost(nc).(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var length int32
	var errno syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, which, uintptr(unsafe.Pointer(&length)))
	})
	return int(length), err == nil && errno == 0
}
