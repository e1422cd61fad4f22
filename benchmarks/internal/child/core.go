package child

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

// cores are those that a thread may run on, a bit each.
type cores [16]uint64

// onOneCore calls start on a thread that may run on the last of its cores only. What
// start starts inherits that.
func onOneCore(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, last cores
	if err := affinity(syscall.SYS_SCHED_GETAFFINITY, &all); err != nil {
		return err
	}
	for i := range len(all) * 64 {
		if bit := uint64(1) << (i % 64); all[i/64]&bit != 0 {
			last = cores{}
			last[i/64] = bit
		}
	}
	if err := affinity(syscall.SYS_SCHED_SETAFFINITY, &last); err != nil {
		return err
	}
	return errors.Join(start(), affinity(syscall.SYS_SCHED_SETAFFINITY, &all))
}

// affinity gets or sets the cores of the calling thread.
func affinity(call uintptr, c *cores) error {
	if _, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*c), uintptr(unsafe.Pointer(c))); errno != 0 {
		return fmt.Errorf("the cores to run on: %w", errno)
	}
	return nil
}
