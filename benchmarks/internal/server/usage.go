package server

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/closeguard/ws/benchmarks/internal/child"
)

// Usage is what the server's process has used so far, and holds now.
type Usage struct {
	CPU     time.Duration // user and system
	Mallocs uint64
	Heap    uint64 // bytes in live objects, after Memory
	Stacks  uint64 // bytes
	RSS     uint64 // bytes
}

// Usage tells CPU time and allocations.
func (s *Server) Usage(_ child.None, u *Usage) error {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return err
	}
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return nil
}

// Memory collects garbage and tells what is left.
func (s *Server) Memory(_ child.None, u *Usage) error {
	runtime.GC()
	runtime.GC() // what the first one's cleanups have freed
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Mallocs, u.Heap, u.Stacks = m.Mallocs, m.HeapAlloc, m.StackInuse
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var size, resident uint64
	if _, err := fmt.Fscan(strings.NewReader(string(statm)), &size, &resident); err != nil {
		return err
	}
	u.RSS = resident * uint64(os.Getpagesize())
	return nil
}

// Settle collects garbage, so that what is measured next begins like all the others.
func (s *Server) Settle(child.None, *child.None) error {
	runtime.GC()
	return nil
}
