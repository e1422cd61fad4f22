package check

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// Abrupt is about TCP that is closed behind a Close frame.
var Abrupt = &analysis.Analyzer{
	Name: "closeabrupt",
	Doc: `find Close frames that are followed at once by the end of TCP

gorilla's Close closes TCP. If the peer has sent anything that wasn't read, that is a reset,
and a reset destroys what is on its way: the peer sees 1006 and not the code. The peer's
answer has to be read first, for some seconds. Programs that require closeguard are left out:
there the guard reads on.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
}

func init() { Abrupt.Run = runAbrupt } // which asks for the flag of Abrupt's

var abruptGuarded = evenGuarded(Abrupt)

func runAbrupt(pass *analysis.Pass) (any, error) {
	if !*abruptGuarded && requiresGuard(pass) {
		return nil, nil
	}
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	for c := range in.Root().Preorder((*ast.BlockStmt)(nil), (*ast.CaseClause)(nil), (*ast.CommClause)(nil)) {
		list := listOf(c.Node())
		for i, s := range list {
			closes := stepOf(pass, s)
			if closes.act != actWriteClose || answers(pass, c) || readFailed(pass, c) {
				continue
			}
			if i+1 < len(list) && !returnsAfter(list, i) {
				next := stepOf(pass, list[i+1])
				if next.act != actCloseTCP || next.conn != closes.conn {
					continue
				}
			} else if !returnsAt(c, list, i) || !defersClose(pass, c, closes.conn) {
				continue
			}
			pass.ReportRangef(closes.call, "TCP is closed right behind the Close frame, which a reset can destroy: the peer sees 1006. Read until the peer's answer has come")
		}
	}
	return nil, nil
}

// returnsAfter reports whether the statement behind number i is a return without a call.
func returnsAfter(list []ast.Stmt, i int) bool {
	r, ok := list[i+1].(*ast.ReturnStmt)
	if !ok {
		return false
	}
	for _, e := range r.Results {
		if _, call := ast.Unparen(e).(*ast.CallExpr); call {
			return false
		}
	}
	return true
}

// returnsAt reports whether the function returns with or behind statement number i of a list.
func returnsAt(c inspector.Cursor, list []ast.Stmt, i int) bool {
	if i+1 < len(list) {
		return returnsAfter(list, i)
	}
	if _, ok := list[i].(*ast.ReturnStmt); ok {
		return true
	}
	switch c.Parent().Node().(type) { // the end of the body
	case *ast.FuncDecl, *ast.FuncLit:
		return true
	}
	return false
}

// defersClose reports whether the function around a place has a deferred Close of the
// connection.
func defersClose(pass *analysis.Pass, c inspector.Cursor, conn string) (found bool) {
	ast.Inspect(bodyOf(c), func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.DeferStmt:
			list := []ast.Stmt{&ast.ExprStmt{X: n.Call}}
			if f, ok := n.Call.Fun.(*ast.FuncLit); ok {
				list = f.Body.List
			}
			for _, s := range list {
				step := stepOf(pass, s)
				found = found || step.act == actCloseTCP && step.conn == conn
			}
		}
		return true
	})
	return found
}

// bodyOf returns the body of the function around a place.
func bodyOf(c inspector.Cursor) *ast.BlockStmt {
	for f := range c.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		switch f := f.Node().(type) {
		case *ast.FuncDecl:
			return f.Body
		case *ast.FuncLit:
			return f.Body
		}
	}
	return &ast.BlockStmt{}
}

// readFailed reports whether the place is behind an if that asks for the error of a read: the
// peer has closed then, or is gone, or the library has sent a Close of its own.
func readFailed(pass *analysis.Pass, c inspector.Cursor) bool {
	failed := make(map[types.Object]bool)
	ast.Inspect(bodyOf(c), func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Rhs) != 1 {
			return true
		}
		if call, ok := a.Rhs[0].(*ast.CallExpr); ok && reads[callee(pass, call)] {
			if err, ok := a.Lhs[len(a.Lhs)-1].(*ast.Ident); ok {
				failed[pass.TypesInfo.ObjectOf(err)] = true
			}
		}
		return true
	})
	for f := range c.Enclosing((*ast.IfStmt)(nil), (*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		branch, ok := f.Node().(*ast.IfStmt)
		if !ok {
			return false
		}
		found := false
		ast.Inspect(branch.Cond, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			found = found || ok && failed[pass.TypesInfo.Uses[id]]
			return true
		})
		if found {
			return true
		}
	}
	return false
}

// reads has gorilla's methods whose error is the end of a connection.
var reads = map[string]bool{
	"(*" + gorillaLib + ".Conn).NextReader":  true,
	"(*" + gorillaLib + ".Conn).ReadJSON":    true,
	"(*" + gorillaLib + ".Conn).ReadMessage": true,
}

// answers reports whether the place is in a handler of the peer's Close: then the handshake
// is over, and it is right to close TCP.
func answers(pass *analysis.Pass, c inspector.Cursor) bool {
	for f := range c.Enclosing((*ast.FuncLit)(nil)) {
		call, ok := f.Parent().Node().(*ast.CallExpr)
		if ok && callee(pass, call) == "(*"+gorillaLib+".Conn).SetCloseHandler" {
			return true
		}
	}
	return false
}
