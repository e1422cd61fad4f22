package check

import (
	"go/ast"
	"go/types"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// Embedded is about ways around an adapter.
var Embedded = &analysis.Analyzer{
	Name: "closeembedded",
	Doc: `find uses of an adapter's embedded connection whose errors are no close events

c.Conn is the library's connection. Its methods, coder's own wsjson and functions that take
it return the library's errors, of which none says who closed.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runEmbedded,
}

func runEmbedded(pass *analysis.Pass) (any, error) {
	if path := pass.Pkg.Path(); path == gorillaAdapter || path == coderAdapter {
		return nil, nil // what an adapter is made of
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	for c := range in.Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			checkMethod(pass, call, sel)
		}
		for i, arg := range call.Args {
			if e := embeddedIn(pass, arg); e == nil {
				continue
			} else if name := callee(pass, call); name == coderLib+"/wsjson.Read" || name == coderLib+"/wsjson.Write" {
				checkJSON(pass, in, c, call, e)
			} else {
				checkHanded(pass, in, c, i, e)
			}
		}
	}
	return nil, nil
}

// embeddedIn returns c.Conn as a selector if e is that, and c an adapter's connection.
func embeddedIn(pass *analysis.Pass, e ast.Expr) *ast.SelectorExpr {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Conn" || adapterOf(pass.TypesInfo.TypeOf(sel.X)) == "" {
		return nil
	}
	if s := pass.TypesInfo.Selections[sel]; s == nil || s.Kind() != types.FieldVal {
		return nil
	}
	return sel
}

// adapterOf returns the package of an adapter's connection, "" for other types.
func adapterOf(t types.Type) string {
	for _, adapter := range []string{gorillaAdapter, coderAdapter} {
		if t != nil && isNamed(t, adapter, "Conn") {
			return adapter
		}
	}
	return ""
}

// checkMethod looks at c.Conn.Read(...), which is c.Read(...) with the library's error.
func checkMethod(pass *analysis.Pass, call *ast.CallExpr, method *ast.SelectorExpr) {
	e := embeddedIn(pass, method.X)
	if e == nil || !returnsEvent["(*"+adapterOf(pass.TypesInfo.TypeOf(e.X))+".Conn)."+method.Sel.Name] {
		return
	}
	c := source(pass, e.X)
	pass.Report(analysis.Diagnostic{
		Pos: call.Pos(), End: call.End(),
		Message: source(pass, method) + " goes past the adapter, and its errors are no close events: call " + c + "." + method.Sel.Name,
		SuggestedFixes: []analysis.SuggestedFix{{
			Message:   "call the adapter's",
			TextEdits: []analysis.TextEdit{replace(method.X, c)},
		}},
	})
}

// checkJSON reports a call of coder's wsjson with c.Conn. If all that the file has of it is
// such calls, the import is changed, and else there is a second one.
func checkJSON(pass *analysis.Pass, in *inspector.Inspector, c inspector.Cursor, call *ast.CallExpr, e *ast.SelectorExpr) {
	file := fileOf(c)
	fun := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	var edits []analysis.TextEdit
	if spec, calls := jsonCalls(pass, in, file); spec != nil {
		edits = append(edits, replace(spec.Path, strconv.Quote(coderAdapter+"/wsjson")))
		for _, e := range calls {
			edits = append(edits, replace(e, source(pass, e.X)))
		}
	} else {
		name, more := imported(pass, file, call.Pos(), coderAdapter+"/wsjson")
		edits = append(more, replace(fun.X, name), replace(e, source(pass, e.X)))
	}
	pass.Report(analysis.Diagnostic{
		Pos: call.Pos(), End: call.End(), Message: source(pass, fun) + " with " + source(pass, e) + " goes past the adapter, and its errors are no close events: there is adapters/coder/wsjson",
		SuggestedFixes: []analysis.SuggestedFix{{Message: "take the adapter's wsjson", TextEdits: edits}},
	})
}

// jsonCalls returns a file's import of coder's wsjson and the c.Conn of all its calls, if it
// has no others and not the adapter's wsjson.
func jsonCalls(pass *analysis.Pass, in *inspector.Inspector, file *ast.File) (spec *ast.ImportSpec, embedded []*ast.SelectorExpr) {
	for _, s := range file.Imports {
		switch s.Path.Value {
		case strconv.Quote(coderLib + "/wsjson"):
			spec = s
		case strconv.Quote(coderAdapter + "/wsjson"):
			return nil, nil
		}
	}
	cur, _ := in.Root().FindNode(file)
	uses := 0
	for id := range cur.Preorder((*ast.Ident)(nil)) {
		if name, ok := pass.TypesInfo.Uses[id.Node().(*ast.Ident)].(*types.PkgName); ok && name.Imported().Path() == coderLib+"/wsjson" {
			uses++
		}
	}
	for c := range cur.Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if strings.HasPrefix(callee(pass, call), coderLib+"/wsjson.") && len(call.Args) == 3 {
			if e := embeddedIn(pass, call.Args[1]); e != nil {
				embedded = append(embedded, e)
			}
		}
	}
	if uses != len(embedded) {
		return nil, nil
	}
	return spec, embedded
}

// checkHanded looks at a function of this package that is handed c.Conn as its argument
// number i and reads or writes with it.
func checkHanded(pass *analysis.Pass, in *inspector.Inspector, c inspector.Cursor, i int, e *ast.SelectorExpr) {
	f := typeutil.StaticCallee(pass.TypesInfo, c.Node().(*ast.CallExpr))
	if f == nil || f.Pkg() != pass.Pkg {
		return
	}
	decl := declOf(pass, in, f)
	if decl == nil || i >= f.Signature().Params().Len() {
		return
	}
	param := f.Signature().Params().At(i)
	adapter := adapterOf(pass.TypesInfo.TypeOf(e.X))
	ends, calls := usesOf(pass, decl, param, adapter)
	if !ends {
		return
	}
	d := analysis.Diagnostic{Pos: e.Pos(), End: e.End(), Message: f.Name() + " is handed the library's connection, whose errors are no close events"}
	if edits := parameterEdits(pass, in, f, decl, i, adapter); calls && edits != nil {
		d.SuggestedFixes = []analysis.SuggestedFix{{Message: "hand it the adapter's", TextEdits: edits}}
	}
	pass.Report(d)
}

func declOf(pass *analysis.Pass, in *inspector.Inspector, f *types.Func) *ast.FuncDecl {
	for c := range in.Root().Preorder((*ast.FuncDecl)(nil)) {
		if d := c.Node().(*ast.FuncDecl); pass.TypesInfo.Defs[d.Name] == f.Origin() {
			return d
		}
	}
	return nil
}

// usesOf tells of a parameter whether methods are called on it that return an end of the
// connection, and whether nothing else is done with it than that methods are called.
func usesOf(pass *analysis.Pass, decl *ast.FuncDecl, param *types.Var, adapter string) (ends, calls bool) {
	uses, called := 0, 0
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if pass.TypesInfo.Uses[n] == param {
				uses++
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && pass.TypesInfo.Uses[id] == param {
					called++
					ends = ends || returnsEvent["(*"+adapter+".Conn)."+sel.Sel.Name]
				}
			}
		}
		return true
	})
	return ends, uses == called
}

// parameterEdits makes a parameter an adapter's connection, and the arguments of all calls.
// It returns nil where the function has other callers, or may have.
func parameterEdits(pass *analysis.Pass, in *inspector.Inspector, f *types.Func, decl *ast.FuncDecl, i int, adapter string) []analysis.TextEdit {
	field := fieldAt(decl.Type.Params, i)
	if f.Exported() || field == nil {
		return nil
	}
	var edits []analysis.TextEdit
	calls := 0
	for c := range in.Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if typeutil.StaticCallee(pass.TypesInfo, call) != f {
			continue
		}
		e := embeddedIn(pass, call.Args[i])
		if e == nil || adapterOf(pass.TypesInfo.TypeOf(e.X)) != adapter {
			return nil
		}
		calls++
		edits = append(edits, replace(e, source(pass, e.X)))
	}
	for _, used := range pass.TypesInfo.Uses {
		if used == f {
			calls--
		}
	}
	if calls != 0 { // it is a value somewhere
		return nil
	}
	cur, _ := in.Root().FindNode(decl)
	name, more := imported(pass, fileOf(cur), field.Pos(), adapter)
	return append(append(edits, more...), replace(field.Type, "*"+name+".Conn"))
}

// fieldAt returns the field that has parameter number i and no other.
func fieldAt(params *ast.FieldList, i int) *ast.Field {
	for _, f := range params.List {
		n := max(1, len(f.Names))
		if i < n {
			if n == 1 {
				return f
			}
			return nil
		}
		i -= n
	}
	return nil
}
