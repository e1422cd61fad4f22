// Package migration_test has two programs, a chat on gorilla/websocket and a
// feed on coder/websocket, before and after they take closeguard's adapter.
// Both versions do the same for their clients; the later one can tell how a
// connection ended.
package migration_test

import (
	"bufio"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// onBothVersions builds a program before and after, with the race detector if
// the test has it, and runs the test with each.
func onBothVersions(t *testing.T, program string, test func(t *testing.T, version, binary string)) {
	for _, version := range []string{"before", "after"} {
		t.Run(version, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), program)
			build := exec.Command("go", "build", race(), "-o", binary, "./"+program+"/"+version)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			test(t, version, binary)
		})
	}
}

func race() string {
	info, ok := debug.ReadBuildInfo()
	on := ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if on {
		return "-race=true"
	}
	return "-race=false"
}

// process is a program that runs.
type process struct {
	addr  string
	lines chan string // of its log, closed at its end
	log   []string    // what was read of them
}

// start runs a program until the test ends.
func start(t *testing.T, binary string) *process {
	t.Helper()
	cmd := exec.Command(binary, "-addr", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{lines: make(chan string, 100)}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		for line := range p.lines {
			p.log = append(p.log, line)
		}
		cmd.Wait() // it was killed
		if log := strings.Join(p.log, "\n"); t.Failed() || strings.Contains(log, "DATA RACE") {
			t.Errorf("the program's log:\n%s", log)
		}
	})
	line := p.await(t, "listening on ")
	_, p.addr, _ = strings.Cut(line, "listening on ")
	return p
}

// await returns the log's first line that has all of these texts, and reads on
// until there is one.
func (p *process) await(t *testing.T, texts ...string) string {
	t.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	for i := 0; ; i++ {
		if i == len(p.log) {
			select {
			case line, ok := <-p.lines:
				if !ok {
					t.Fatalf("the program has ended, no line with %q", texts)
				}
				p.log = append(p.log, line)
			case <-timeout.C:
				t.Fatalf("no line with %q", texts)
			}
		}
		lacks := func(text string) bool { return !strings.Contains(p.log[i], text) }
		if !slices.ContainsFunc(texts, lacks) {
			return p.log[i]
		}
	}
}

// refuse fails the test if a line that was read has the text.
func (p *process) refuse(t *testing.T, text string) {
	t.Helper()
	if slices.ContainsFunc(p.log, func(line string) bool { return strings.Contains(line, text) }) {
		t.Errorf("the log has %q", text)
	}
}
