//go:build unix

package closeguard

import (
	"errors"
	"syscall"
)

// readsNow: readNow works here.
const readsNow = true

// readNow takes what the kernel has for a socket, and doesn't wait.
func readNow(fd uintptr, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(int(fd), p); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}
