package closeguard_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The core is usable without any third-party module in the program.
func TestCoreImportsTheStandardLibraryOnly(t *testing.T) {
	const core = "github.com/closeguard/ws/closeguard"
	checked := 0
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		checked++
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			host, _, _ := strings.Cut(imported, "/")
			standard := !strings.Contains(host, ".") // as the go command tells the two apart
			if !standard && imported != core && !strings.HasPrefix(imported, core+"/") {
				t.Errorf("%s imports %s", path.Join(core, filepath.ToSlash(name)), imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Error("found no Go files")
	}
}
