package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	_ "github.com/closeguard/ws/adapters/coder/wsjson" // testdata imports them
	_ "github.com/closeguard/ws/adapters/gorilla"

	"github.com/closeguard/ws/closevet/check"
)

// A folder of testdata is a package for one check. Bad lines say what is reported; nothing
// is for all others, which are the good twins, by any check. The golden files are what the
// fixes make of it.
func TestChecks(t *testing.T) {
	packages := packagesOf(t, "[^m]*", "middleware")
	if len(packages) < len(check.All())-1 { // without closemove
		t.Fatalf("%d packages for %d checks", len(packages), len(check.All()))
	}
	for _, c := range check.All() {
		if guarded := c.Flags.Lookup("guarded"); guarded != nil { // as testdata is, by its go.mod
			if err := guarded.Value.Set("true"); err != nil {
				t.Fatal(err)
			}
		}
	}
	analysistest.RunWithSuggestedFixes(t, "..", together, packages...)
}

// The packages of closemove would be bad code for other checks, and theirs for closemove.
func TestMove(t *testing.T) {
	if err := check.Move.Flags.Set("guard", "guard"); err != nil {
		t.Fatal(err)
	}
	analysistest.RunWithSuggestedFixes(t, "..", check.Move, packagesOf(t, "move*")...)
	if err := check.Move.Flags.Set("guard", ""); err != nil {
		t.Fatal(err)
	}
}

// packagesOf returns the packages of testdata by their names.
func packagesOf(t *testing.T, patterns ...string) (packages []string) {
	t.Helper()
	for _, pattern := range patterns {
		dirs, err := filepath.Glob("testdata/" + pattern)
		if err != nil || len(dirs) == 0 {
			t.Fatalf("no packages %s: %v", pattern, err)
		}
		for _, dir := range dirs {
			packages = append(packages, "./check/"+filepath.ToSlash(dir))
		}
	}
	return packages
}

// together runs all checks, so that the packages are loaded only once.
var together = &analysis.Analyzer{
	Name: "together",
	Doc:  "all checks",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, c := range check.All() {
			if _, err := c.Run(pass); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}

func init() {
	for _, c := range check.All() {
		for _, r := range c.Requires {
			if !slices.Contains(together.Requires, r) {
				together.Requires = append(together.Requires, r)
			}
		}
	}
}

// The table in closevet's README has each check.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range check.All() {
		if !bytes.Contains(readme, []byte("\n| `"+c.Name+"` |")) {
			t.Errorf("no row for %s", c.Name)
		}
	}
}
