package check

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Move is about programs that are to have an adapter's connections.
var Move = &analysis.Analyzer{
	Name: "closemove",
	Doc: `move plain code to the adapters, if -closemove.guard says what the guard is called

With -fix the connections that a package's servers open become an adapter's, with the types of
fields, parameters and variables. A package that has no variable of the guard's name gets one,
with a guard that logs. What the errors need then, the other checks find in a second run:

	closevet -fix -closemove.guard=guard ./... && closevet -fix ./...

A package that dials, too, or whose exported names have the library's connection in them, is
reported and left as it is.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
}

var guardName = Move.Flags.String("guard", "", "the variable of the guard; without it this check is off")

func init() { Move.Run = runMove } // which asks for the flag

// adapters has the adapter of each library.
var adapters = map[string]string{gorillaLib: gorillaAdapter, coderLib: coderAdapter}

func runMove(pass *analysis.Pass) (any, error) {
	if *guardName == "" {
		return nil, nil
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	m := &move{pass: pass, names: make(map[string]string)}
	var calls []*ast.CallExpr
	for c := range in.Root().Preorder((*ast.CallExpr)(nil)) {
		if call := c.Node().(*ast.CallExpr); m.open(fileOf(c), call) {
			calls = append(calls, call)
		}
	}
	if len(calls) == 0 {
		return nil, nil
	}
	m.declareGuard(in, calls[0])
	for c := range in.Root().Preorder((*ast.SelectorExpr)(nil)) {
		m.rename(fileOf(c), c.Node().(*ast.SelectorExpr))
	}
	for c := range in.Root().Preorder((*ast.CallExpr)(nil)) {
		m.handOver(c.Node().(*ast.CallExpr))
	}
	m.takeJSON()
	var fixes []analysis.SuggestedFix
	if !m.stays && !exportsConn(pass) {
		fixes = []analysis.SuggestedFix{{Message: "move the package to the adapter", TextEdits: m.edits}}
	}
	for _, call := range calls {
		pass.Report(analysis.Diagnostic{
			Pos: call.Pos(), End: call.End(), Message: source(pass, call.Fun) + " opens a connection without an adapter",
			SuggestedFixes: fixes,
		})
	}
	return nil, nil
}

// A move collects what a package needs.
type move struct {
	pass  *analysis.Pass
	edits []analysis.TextEdit
	names map[string]string // of packages in files
	stays bool              // something can't be moved
}

// name returns what a package is called in a file.
func (m *move) name(file *ast.File, pkg string) string {
	key := strconv.Itoa(int(file.FileStart)) + pkg
	if m.names[key] == "" {
		name, edits := imported(m.pass, file, file.Name.Pos(), pkg)
		m.names[key] = name
		m.edits = append(m.edits, edits...)
	}
	return m.names[key]
}

// open makes the call of a library that opens a connection the adapter's.
func (m *move) open(file *ast.File, call *ast.CallExpr) bool {
	var before string
	var fun string
	switch name := callee(m.pass, call); name {
	case "(*" + gorillaLib + ".Upgrader).Upgrade":
		upgrader := ast.Unparen(call.Fun).(*ast.SelectorExpr).X
		before = *guardName + ", " + source(m.pass, upgrader) + ", "
		if _, ok := m.pass.TypesInfo.TypeOf(upgrader).Underlying().(*types.Pointer); !ok {
			before = *guardName + ", &" + source(m.pass, upgrader) + ", "
		}
		fun = m.name(file, gorillaAdapter) + ".Upgrade"
	case coderLib + ".Accept":
		before = *guardName + ", "
		fun = m.name(file, coderAdapter) + ".Accept"
	case "(*" + gorillaLib + ".Dialer).Dial", "(*" + gorillaLib + ".Dialer).DialContext", coderLib + ".Dial":
		m.stays = true
		return false
	default:
		return false
	}
	m.edits = append(m.edits, replace(call.Fun, fun), insert(call.Args[0].Pos(), before))
	return true
}

// declareGuard adds a variable to the file that opens a connection first, below those that are
// at its top.
func (m *move) declareGuard(in *inspector.Inspector, call *ast.CallExpr) {
	switch v := m.pass.Pkg.Scope().Lookup(*guardName).(type) {
	case nil:
	case *types.Var:
		m.stays = m.stays || !isNamed(v.Type(), core, "Guard")
		return
	default:
		m.stays = true
		return
	}
	cur, _ := in.Root().FindNode(call)
	file := fileOf(cur)
	at, space := file.Name.End(), "\n\n"
	for _, d := range file.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok == token.TYPE {
			break
		}
		if d.Tok != token.CONST {
			at = d.End()
		}
		if d.Tok == token.VAR {
			space = "\n"
		}
	}
	if f := m.pass.Fset.File(at); f.Line(at) < f.LineCount() {
		at = f.LineStart(f.Line(at)+1) - 1 // behind a comment
	}
	core := m.name(file, core)
	m.edits = append(m.edits, insert(at, space+"var "+*guardName+", _ = "+core+".New("+core+".Options{Observers: []"+core+".Observer{"+core+".LogObserver(nil)}}) // these options are valid"))
}

// rename makes the type of the library's connection the adapter's.
func (m *move) rename(file *ast.File, sel *ast.SelectorExpr) {
	t, ok := m.pass.TypesInfo.Uses[sel.Sel].(*types.TypeName)
	if !ok || t.Name() != "Conn" || t.Pkg() == nil || adapters[t.Pkg().Path()] == "" {
		return
	}
	m.edits = append(m.edits, replace(sel.X, m.name(file, adapters[t.Pkg().Path()])))
}

// handOver gives functions of other packages the embedded connection, if they take no other.
func (m *move) handOver(call *ast.CallExpr) {
	fun := m.pass.TypesInfo.Types[call.Fun]
	if fun.IsType() || fun.IsBuiltin() {
		return
	}
	if id := nameOf(call.Fun); id != nil {
		f := m.pass.TypesInfo.Uses[id]
		if f == nil || f.Pkg() == m.pass.Pkg || f.Pkg() != nil && f.Pkg().Path() == coderLib+"/wsjson" {
			return
		}
	}
	params := fun.Type.Underlying().(*types.Signature).Params()
	for i, arg := range call.Args {
		if i < params.Len() && isLibraryConn(params.At(i).Type()) {
			m.edits = append(m.edits, insert(arg.End(), ".Conn"))
		}
	}
}

// isLibraryConn reports whether t is a library's connection, or a pointer to it.
func isLibraryConn(t types.Type) bool {
	return isNamed(t, gorillaLib, "Conn") || isNamed(t, coderLib, "Conn")
}

func nameOf(e ast.Expr) *ast.Ident {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return e.Sel
	}
	return nil
}

// takeJSON makes coder's wsjson the adapter's.
func (m *move) takeJSON() {
	for _, file := range m.pass.Files {
		for _, spec := range file.Imports {
			if spec.Path.Value == strconv.Quote(coderLib+"/wsjson") {
				m.edits = append(m.edits, replace(spec.Path, strconv.Quote(coderAdapter+"/wsjson")))
			}
		}
	}
}

// exportsConn reports whether other packages can see a library's connection in what this one
// exports, and would have to be moved with it.
func exportsConn(pass *analysis.Pass) bool {
	if pass.Pkg.Name() == "main" {
		return false
	}
	scope := pass.Pkg.Scope()
	return slices.ContainsFunc(scope.Names(), func(name string) bool {
		obj := scope.Lookup(name)
		if !obj.Exported() {
			return false
		}
		if named, ok := obj.Type().(*types.Named); ok {
			for m := range named.Methods() {
				if m.Exported() && mentionsConn(m.Type()) {
					return true
				}
			}
		}
		return mentionsConn(obj.Type())
	})
}

// mentionsConn reports whether a type has a library's connection in its signature or in an
// exported field.
func mentionsConn(t types.Type) bool {
	if isLibraryConn(t) {
		return true
	}
	switch t := t.Underlying().(type) {
	case *types.Signature:
		for _, vars := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range vars.Variables() {
				if isLibraryConn(v.Type()) {
					return true
				}
			}
		}
	case *types.Struct:
		for f := range t.Fields() {
			if f.Exported() && isLibraryConn(f.Type()) {
				return true
			}
		}
	}
	return false
}
