package integration_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// make without a target prints every target with its help, and runs nothing. make check
// installs nothing.
func TestMakeSaysWhatThereIs(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	run := func(arg ...string) string {
		t.Helper()
		out, err := exec.Command("make", append([]string{"-C", ".."}, arg...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	help := run()
	targets := regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1)
	if len(targets) < 15 {
		t.Errorf("only %d targets", len(targets))
	}
	for _, target := range targets {
		if !regexp.MustCompile(`(?m)^` + target[1] + `\n    [A-Z0-9]`).MatchString(help) {
			t.Errorf("no help for %s in\n%s", target[1], help)
		}
	}
	if plan := run("-n"); !strings.Contains(plan, "awk") || strings.Contains(plan, "scripts/") {
		t.Errorf("make runs\n%s", plan)
	}
	plan := run("-n", "check")
	for _, wanted := range []string{"gofmt -d", "vet ./...", "golangci-lint", "go test ./..."} {
		if !strings.Contains(plan, wanted) {
			t.Errorf("make check has no %s:\n%s", wanted, plan)
		}
	}
	for _, other := range []string{"scripts/setup", "apt-get", "npm"} {
		if strings.Contains(plan, other) {
			t.Errorf("make check runs %s:\n%s", other, plan)
		}
	}
}
