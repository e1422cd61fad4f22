package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A program that imports only the core keeps the versions of what the adapters need,
// down to these. The core needs none of them.
func TestTheCoreLiftsNoVersions(t *testing.T) {
	const others = `github.com/coder/websocket v1.8.12
	github.com/gorilla/websocket v1.5.1
	go.uber.org/zap v1.24.0
`
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.25.0\n\nreplace github.com/closeguard/ws => " + root +
			"\n\nrequire (\n\tgithub.com/closeguard/ws v0.0.0\n\t" + others + ")\n",
		"main.go": `package main

import "github.com/closeguard/ws/closeguard"

func main() { closeguard.New(closeguard.Options{}) }
`,
	} {
		if err := os.WriteFile(filepath.Join(program, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func(arg ...string) string {
		t.Helper()
		cmd := exec.Command("go", arg...)
		cmd.Dir = program
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		return string(out)
	}
	command("build", "-o", os.DevNull, ".")
	all := command("list", "-m", "all")
	for line := range strings.Lines(others) {
		if want := strings.TrimSpace(line) + "\n"; !strings.Contains(all, want) {
			t.Errorf("no %s in the program's modules:\n%s", want, all)
		}
	}
}

// The versions of Go stand in the files in one spelling: with a patch in go.mod, and
// without in words. The root module needs 1.25, and of the others none less.
func TestOneSpellingOfGoVersions(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../go.mod", "../*/go.mod", "../*/*/go.mod"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 6 {
		t.Errorf("only %d modules found", len(files))
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(`(?m)^go .*$`).FindString(string(b))
		if root := name == "../go.mod"; root && line != "go 1.25.0" || !regexp.MustCompile(`^go 1\.2[56]\.0$`).MatchString(line) ||
			strings.Contains(string(b), "\ntoolchain ") {
			t.Errorf("%s says %q", name, line)
		}
	}
	texts := documents(t)
	delete(texts, "benchmarks.md") // it names the release that was measured
	for _, name := range []string{"integration_test/README.md", "benchmarks/README.md", ".github/workflows/ci.yml"} {
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(b)
	}
	for name, text := range texts {
		for _, found := range regexp.MustCompile(`\b[Gg]o(lang)? ?v?1\.\d+(\.\d+)?`).FindAllString(text, -1) {
			if !regexp.MustCompile(`^Go 1\.\d+$`).MatchString(found) {
				t.Errorf("%s says %q", name, found)
			}
		}
	}
	if !strings.Contains(texts["README.md"], "Go 1.25") {
		t.Error("the README doesn't say that it needs Go 1.25")
	}
}
