package closeguard_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ARCHITECTURE.md names every file of the core, and no file or name that is not
// there.
func TestArchitectureIsTrue(t *testing.T) {
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	files, code := map[string]bool{}, strings.Builder{}
	err = filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == "closetest" {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			files[entry.Name()] = false
			source, err := os.ReadFile(name)
			code.Write(source)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`\w+\.go\b`).FindAllString(string(text), -1) {
		if _, ok := files[name]; !ok {
			t.Errorf("it names %s, which is not there", name)
		}
		files[name] = true
	}
	for name, named := range files {
		if !named && name != "options.go" && name != "doc.go" {
			t.Errorf("it doesn't name %s", name)
		}
	}
	names := regexp.MustCompile("`([A-Za-z]+\\.)*([A-Za-z]+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 50 {
		t.Errorf("only %d names found", len(names))
	}
	for _, m := range names {
		if name := m[2]; name != "go" && !regexp.MustCompile(`\b`+name+`\b`).MatchString(code.String()) {
			t.Errorf("it speaks of %s, which is not there", m[0])
		}
	}
}
