package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The command lines of docs/shutdown.md, for a shell, Kubernetes and systemd, are ones
// that the program takes, and they all say the times of the page's table.
func TestTheDocumentationsFlags(t *testing.T) {
	text, err := os.ReadFile("../../docs/shutdown.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)(?:go run ./examples/echo|ExecStart=\S+|args: \[)(.*?)(?:`+"`"+`|\]|$)`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 3 {
		t.Fatalf("%d command lines, want 3: %q", len(lines), lines)
	}
	for _, line := range lines {
		args := strings.Fields(strings.NewReplacer(`"`, "", ",", "").Replace(line[1]))
		s, err := parse(args, io.Discard)
		if err != nil {
			t.Errorf("%q: %v", args, err)
			continue
		}
		if s.end.wait != 10*time.Second || s.end.window != 20*time.Second || s.end.grace != 50*time.Second {
			t.Errorf("%q: wait %v, window %v, grace %v", args, s.end.wait, s.end.window, s.end.grace)
		}
	}
	for _, row := range []string{"| wait | 10 s |", "| `DrainWindow` | 20 s |", "| the context's | 50 s |", "| the platform's | 60 s |"} {
		if !strings.Contains(string(text), row) {
			t.Errorf("the table has no %q", row)
		}
	}
	for _, line := range []string{"terminationGracePeriodSeconds: 60", "TimeoutStopSec=60s"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("there is no %q", line)
		}
	}
}
