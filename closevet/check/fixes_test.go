package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// What the fixes make compiles, all of a package's together.
func TestFixesCompile(t *testing.T) {
	goldens, err := filepath.Glob("testdata/*/*.golden")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	fixed := make(map[string][]byte)
	var patterns []string
	for _, golden := range goldens {
		text, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		file, err := filepath.Abs(strings.TrimSuffix(golden, ".golden"))
		if err != nil {
			t.Fatal(err)
		}
		fixed[file] = text
		patterns = append(patterns, "./"+filepath.ToSlash(filepath.Dir(golden)))
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadTypes | packages.NeedSyntax, Overlay: fixed}, patterns...)
	if err != nil || len(loaded) == 0 {
		t.Fatal(len(loaded), err)
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			t.Errorf("%s: %v", p.PkgPath, e)
		}
	}
}
