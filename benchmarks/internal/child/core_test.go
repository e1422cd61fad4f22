package child

import (
	"errors"
	"os"
	"regexp"
	"runtime"
	"testing"
)

// What is started on one core may run on that one only, and whoever has started it on
// all of its own again.
func TestOnOneCore(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cores := func() string {
		status, err := os.ReadFile("/proc/thread-self/status")
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`Cpus_allowed_list:\s*(\S+)`).FindStringSubmatch(string(status))[1]
	}
	all := cores()
	broken := errors.New("broken")
	err := onOneCore(func() error {
		if one := cores(); !regexp.MustCompile(`^\d+$`).MatchString(one) {
			t.Errorf("it may run on %s", one)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("it tells %v", err)
	}
	if got := cores(); got != all {
		t.Errorf("afterwards it may run on %s, want %s", got, all)
	}
}
