package check

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// Abrupt is about TCP that is closed behind a Close frame.
var Abrupt = &analysis.Analyzer{
	Name: "closeabrupt",
	Doc: `find Close frames that are followed at once by the end of TCP

gorilla's Close closes TCP. If the peer has sent anything that wasn't read, that is a reset,
and a reset destroys what is on its way: the peer sees 1006 and not the code. The peer's
answer has to be read first, for some seconds. Nothing is said where the connection may have
ended before: behind a read, and where a channel tells that it is over. Programs that require closeguard are left out:
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
			if closes.act != actWriteClose || answers(pass, c) || mayHaveEnded(pass, in, c) {
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

// mayHaveEnded reports whether the connection may have ended before, so that there is nobody
// to be told: a read of it comes before in the function or in a caller of it, or the place is
// one where somebody else decides that it is over, by a channel.
func mayHaveEnded(pass *analysis.Pass, in *inspector.Inspector, c inspector.Cursor) bool {
	for range c.Enclosing((*ast.CommClause)(nil)) {
		return true
	}
	for f := range c.Enclosing((*ast.FuncDecl)(nil)) {
		decl := f.Node().(*ast.FuncDecl)
		if readsBefore(pass, decl, c.Node().Pos()) {
			return true
		}
		obj := pass.TypesInfo.Defs[decl.Name]
		for call := range in.Root().Preorder((*ast.CallExpr)(nil)) {
			if f := typeutil.StaticCallee(pass.TypesInfo, call.Node().(*ast.CallExpr)); f == nil || f != obj {
				continue
			}
			for caller := range call.Enclosing((*ast.FuncDecl)(nil)) {
				if caller := caller.Node().(*ast.FuncDecl); readsBefore(pass, caller, caller.End()) {
					return true
				}
			}
		}
	}
	return false
}

// readsBefore reports whether a function reads from a connection before a place in it.
func readsBefore(pass *analysis.Pass, decl *ast.FuncDecl, at token.Pos) (found bool) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && call.Pos() < at {
			found = found || reads[callee(pass, call)]
		}
		return !found
	})
	return found
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
