package check_test

import (
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
	packages, err := filepath.Glob("testdata/*")
	if err != nil || len(packages) < len(check.All()) {
		t.Fatalf("%d packages for %d checks: %v", len(packages), len(check.All()), err)
	}
	for i, p := range packages {
		packages[i] = "./check/" + filepath.ToSlash(p)
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
