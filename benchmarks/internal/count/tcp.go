package count

import (
	"encoding/binary"
	"net"
	"syscall"
	"unsafe"
)

// tcp asks the kernel about a connection. Its methods allocate nothing; on a
// connection that is closed they return what they returned last.
type tcp struct {
	raw    syscall.RawConn
	info   [256]byte // struct tcp_info of linux/tcp.h
	size   uint32
	queued int32
	ask    func(fd uintptr)
}

func newTCP(c *net.TCPConn) (*tcp, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	t := &tcp{raw: raw}
	t.ask = func(fd uintptr) {
		t.size = uint32(len(t.info))
		syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO, //nolint:errcheck // it stays as it was
			uintptr(unsafe.Pointer(&t.info)), uintptr(unsafe.Pointer(&t.size)), 0)
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCINQ, uintptr(unsafe.Pointer(&t.queued))) //nolint:errcheck // as above
	}
	return t, nil
}

// unread is how many bytes are there to be read.
func (t *tcp) unread() int {
	t.raw.Control(t.ask) //nolint:errcheck // as it was
	return int(t.queued)
}

// sent is how many bytes went out; all says whether none is left to go.
func (t *tcp) sent() (bytes uint64, all bool) {
	t.raw.Control(t.ask) //nolint:errcheck // as it was
	return t.at(200) - t.at(208), binary.NativeEndian.Uint32(t.info[144:]) == 0
}

// received is how many bytes came in.
func (t *tcp) received() uint64 {
	t.raw.Control(t.ask) //nolint:errcheck // as it was
	return t.at(128)
}

func (t *tcp) at(offset int) uint64 { return binary.NativeEndian.Uint64(t.info[offset:]) }
