package integration_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// Every block of Go in the README and in docs compiles, as a package of its own.
func TestGoInTheDocumentationCompiles(t *testing.T) {
	files := []string{"../README.md"}
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```go\n(.*?)```")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for _, file := range append(files, docs...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, match := range block.FindAllSubmatch(text, -1) {
			blocks++
			t.Run(filepath.Base(file)+" block "+strconv.Itoa(i+1), func(t *testing.T) {
				compile(t, here, match[1])
			})
		}
	}
	if blocks == 0 {
		t.Error("no Go found in the README")
	}
}

// compile builds source as if it were a package of this module: an overlay puts
// it there, and nothing is written beside the tests.
func compile(t *testing.T, module string, source []byte) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "block.go")
	if err := os.WriteFile(file, source, 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(module, "block", "block.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", os.DevNull, "./block")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, source)
	}
}
