package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// go vet takes the command as its tool, and so does whoever calls it by itself. One check is
// enough for that, and spares go vet the packages below. That -fix moves whole programs is a
// test of integration_test/migration.
func TestCommand(t *testing.T) {
	closevet := filepath.Join(t.TempDir(), "closevet")
	if out, err := exec.Command("go", "build", "-o", closevet, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const bad, good = "./check/testdata/abrupt", "./plugin"
	for name, command := range map[string][]string{
		"go vet":   {"go", "vet", "-vettool=" + closevet, "-closeabrupt", "-closeabrupt.guarded"},
		"closevet": {closevet, "-closeabrupt", "-closeabrupt.guarded"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(command[0], append(command[1:], bad)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "abrupt.go:") {
				t.Errorf("bad code: %v\n%s", err, out)
			}
			if out, err := exec.Command(command[0], append(command[1:], good)...).CombinedOutput(); err != nil {
				t.Errorf("good code: %v\n%s", err, out)
			}
		})
	}
}
