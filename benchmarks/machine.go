package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// machine describes where and with what something was measured, and how quiet it was.
func machine(began time.Time, used cpuTime) string {
	versions := []string{runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/gorilla/websocket", "github.com/coder/websocket", "github.com/lxzan/gws", "github.com/gobwas/ws":
				versions = append(versions, strings.TrimPrefix(d.Path, "github.com/")+" "+d.Version)
			}
		}
	}
	return fmt.Sprintf("%s, %d cores (%s), %s %s, %s; took %s. Other programs had %.0f %% of the CPU time.", began.Format("2006-01-02 15:04"), runtime.NumCPU(), processor(),
		runtime.GOOS, kernel(), strings.Join(versions, ", "), time.Since(began).Round(time.Second), 100*used.others())
}

func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, _ := strings.Cut(s.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// cpuTime is CPU time that was used so far: this program and its children that have
// ended, and all of the machine.
type cpuTime struct{ own, all time.Duration }

func usage() (u cpuTime) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) == nil {
			u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
		}
	}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u
	}
	// user, nice, system, idle, iowait, irq, softirq, steal, in hundredths of a second
	var ticks [8]time.Duration
	line := strings.NewReader(strings.TrimPrefix(string(b), "cpu"))
	for i := range ticks {
		fmt.Fscan(line, &ticks[i]) //nolint:errcheck // what isn't there is 0
	}
	for i, n := range ticks {
		if idle := i == 3 || i == 4; !idle {
			u.all += n * 10 * time.Millisecond
		}
	}
	return u
}

func (u cpuTime) since(before cpuTime) cpuTime {
	return cpuTime{u.own - before.own, u.all - before.all}
}

// others is the share of programs that aren't ours, in all the time that was used.
func (u cpuTime) others() float64 {
	if u.all <= 0 {
		return 0
	}
	return max(0, 1-float64(u.own)/float64(u.all))
}
