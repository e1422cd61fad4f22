package check

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/ssa"
)

// Middleware is about guards that guard nothing.
var Middleware = &analysis.Analyzer{
	Name: "closemiddleware",
	Doc: `find Guard.Middleware in places where it can't guard

A handler below it has to open the WebSocket with the ResponseWriter that it gets: gin's
c.Writer is another one, from before. Below http.TimeoutHandler no WebSocket can be opened.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
	Run:      runMiddleware,
}

func runMiddleware(pass *analysis.Pass) (any, error) {
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		switch callee(pass, call) {
		case "net/http.TimeoutHandler":
			instr, ok := p.at[call.Lparen].(ssa.CallInstruction)
			if ok && p.comesFrom(instr.Common().Args[0], isGuarded) {
				pass.ReportRangef(call, "http.TimeoutHandler hides http.Hijacker, so that no WebSocket can be opened below it: put the guard's handler beside it")
			}
		case "(*" + core + ".Guard).Middleware":
			if f := literalOf(call.Args[0]); f != nil && ignoresWriter(pass, f) {
				pass.ReportRangef(f.Type, "the handler below the guard doesn't use its ResponseWriter: a WebSocket that it opens with another one isn't guarded")
			}
		}
	}
	return nil, nil
}

// isGuarded reports whether a call makes a handler that opens guarded WebSockets.
func isGuarded(call *ssa.CallCommon) bool {
	f := call.StaticCallee()
	if f == nil {
		return false
	}
	switch f.RelString(nil) {
	case "(*" + core + ".Guard).Middleware", gorillaAdapter + ".Handler", coderAdapter + ".Handler":
		return true
	}
	return false
}

// literalOf returns the function literal in http.HandlerFunc(func(w, r) { ... }).
func literalOf(e ast.Expr) *ast.FuncLit {
	if conversion, ok := ast.Unparen(e).(*ast.CallExpr); ok && len(conversion.Args) == 1 {
		f, _ := ast.Unparen(conversion.Args[0]).(*ast.FuncLit)
		return f
	}
	return nil
}

// ignoresWriter reports whether a handler doesn't use its ResponseWriter, but its request:
// it goes on with another writer. A handler that uses neither opens nothing.
func ignoresWriter(pass *analysis.Pass, f *ast.FuncLit) bool {
	var names []*ast.Ident
	for _, field := range f.Type.Params.List {
		names = append(names, field.Names...)
	}
	if len(names) != 2 {
		return false
	}
	return !uses(pass, f, names[0]) && uses(pass, f, names[1])
}

func uses(pass *analysis.Pass, f *ast.FuncLit, param *ast.Ident) (found bool) {
	v, ok := pass.TypesInfo.Defs[param].(*types.Var)
	if !ok {
		return false // it is called _
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.ASSIGN && len(n.Lhs) == 1 && source(pass, n.Lhs[0]) == "_" {
				return false // _ = w
			}
		case *ast.Ident:
			found = found || pass.TypesInfo.Uses[n] == v
		}
		return !found
	})
	return found
}
