package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// docs/doctor.md has a row for every probe, and says what it does.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	probes := append(doctor.Probes(), doctor.Idle(10*time.Minute), doctor.Watch(1, 10*time.Minute)[0])
	for _, p := range probes {
		row := fmt.Sprintf("| `%s` | %s | %d | %s | %s |\n", p.FullName(), p.RFC, p.Sends, p.Does, p.Wants)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/doctor.md lacks\n%s", row)
		}
	}
	if rows := strings.Count(string(text), "\n| `") - strings.Count(string(text), "\n| `-"); rows != len(probes) {
		t.Errorf("docs/doctor.md has rows for %d probes, want %d", rows, len(probes))
	}
	_, help, _ := command(t, "doctor", "-h")
	for line := range strings.Lines(help) {
		if flag, ok := strings.CutPrefix(line, "  -"); ok {
			if name := strings.Fields(flag)[0]; !strings.Contains(string(text), "`-"+name) {
				t.Errorf("docs/doctor.md lacks -%s", name)
			}
		}
	}
}

// The command at the top of docs/doctor.md is one, of this program.
func TestDocumentationsCommand(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```sh\n")
	line, _, _ := strings.Cut(block, "\n")
	program := "go run " + reflect.TypeFor[output]().PkgPath() + " doctor "
	args, ok := strings.CutPrefix(line, program)
	if !ok {
		t.Fatalf("%q doesn't begin with %q", line, program)
	}
	if _, err := parseDoctor(strings.Fields(args), io.Discard); err != nil {
		t.Error(err)
	}
}
