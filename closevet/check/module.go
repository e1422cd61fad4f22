package check

import (
	"bytes"
	"path/filepath"

	"golang.org/x/tools/go/analysis"
)

// evenGuarded adds the flag of a check whose mistakes are none in a guarded program.
func evenGuarded(a *analysis.Analyzer) *bool {
	return a.Flags.Bool("guarded", false, "report it in programs that require closeguard, too")
}

// requiresGuard reports whether the package, or a go.mod above it, names closeguard: what
// the guard does for plain code is then no mistake of its.
func requiresGuard(pass *analysis.Pass) bool {
	for _, imp := range pass.Pkg.Imports() {
		if imp.Path() == core {
			return true
		}
	}
	if len(pass.Files) == 0 {
		return false
	}
	dir := filepath.Dir(pass.Fset.Position(pass.Files[0].FileStart).Filename)
	for {
		mod, err := pass.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			return bytes.Contains(mod, []byte("github.com/closeguard/ws"))
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}
