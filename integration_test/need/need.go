// Package need is about what tests need of the machine: programs, rights, limits, free
// addresses. Where that is missing a test is skipped by name; in CI, where the environment
// has CI set, it fails.
package need

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Met takes what the machine doesn't have, and goes on if that is nil.
func Met(tb testing.TB, missing error) {
	tb.Helper()
	switch {
	case missing == nil:
	case os.Getenv("CI") != "":
		tb.Fatal(missing)
	default:
		tb.Skip(missing)
	}
}

// Program finds the first of these programs, names or paths, that is installed.
func Program(tb testing.TB, names ...string) string {
	tb.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Met(tb, fmt.Errorf("%s is not installed: make setup", names[0]))
	return ""
}
