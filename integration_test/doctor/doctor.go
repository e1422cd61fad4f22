// Package doctor holds the verdicts of `closeguard doctor` on many endpoints against expected.txt.
package doctor

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A report is what the doctor's JSON says, as far as it counts here.
type report struct {
	Verdict string
	Results []result
}

type result struct {
	Probe, Seen, Verdict string
}

// Built returns the doctor's program. The test binary that asks for it has to call
// [Clean] at its end.
var Built = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "closeguard-doctor-"); err != nil {
		return "", err
	}
	return build("./cmd/closeguard")
})

// build builds a program of the repository's.
func build(name string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	program := filepath.Join(folder, filepath.Base(name))
	build := exec.Command("go", "build", "-o", program, name)
	build.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	build.Stderr = os.Stderr
	return program, build.Run()
}

var folder string

// Clean removes what Built has made.
func Clean() { os.RemoveAll(folder) }

// Check examines an endpoint, which expected.txt knows by that name. Flags of the
// doctor's may ask for more probes.
func Check(t *testing.T, name, url string, flags ...string) {
	t.Helper()
	program, err := Built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, slices.Concat([]string{"doctor", "-json", "-timeout", "7s"}, flags, []string{url})...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	r.compare(t, name, cmd.ProcessState.ExitCode())
}

// compare holds a report against the section of that name.
func (r report) compare(t *testing.T, name string, status int) {
	t.Helper()
	want := expect(t, name)
	exit := 0
	for _, got := range r.Results {
		if verdict := want.of(got.Probe); !slices.Contains(strings.Split(verdict, " or "), got.Verdict) {
			t.Errorf("%s | %s | saw %s: want %q", got.Probe, got.Verdict, got.Seen, verdict)
		}
		if got.Verdict == "bad" {
			exit = 1
		}
	}
	for probe := range want {
		if !strings.HasSuffix(probe, "/*") && !slices.ContainsFunc(r.Results, func(got result) bool { return got.Probe == probe }) {
			t.Errorf("expected.txt has a verdict on %s, the doctor none", probe)
		}
	}
	if status != exit {
		t.Errorf("exit status %d, want %d", status, exit)
	}
}
