package closeguard

import (
	"encoding/binary"
	"errors"
	"net"
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
	var info [ackedAt + 8]byte
	length := uint32(len(info))
	errno, err := control(nc, func(fd uintptr) syscall.Errno {
		_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
		return errno
	})
	if err != nil || errno != 0 || length < uint32(len(info)) {
		return 0
	}
	return binary.NativeEndian.Uint64(info[ackedAt:])
}

// queued asks the kernel for the length of one of a socket's queues.
func queued(nc net.Conn, which uintptr) (n int, known bool) {
	var length int32
	errno, err := control(nc, func(fd uintptr) syscall.Errno {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, which, uintptr(unsafe.Pointer(&length)))
		return errno
	})
	return int(length), err == nil && errno == 0
}

// control makes a system call on a socket's descriptor.
func control(nc net.Conn, call func(fd uintptr) syscall.Errno) (errno syscall.Errno, err error) {
	sc, ok := innermost(nc).(syscall.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { errno = call(fd) })
	return errno, err
}
