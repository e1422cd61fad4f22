package check

import (
	"go/ast"

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
		var before step
		for _, s := range listOf(c.Node()) {
			now := stepOf(pass, s)
			if before.act == actWriteClose && now.act == actCloseTCP && now.conn == before.conn && !answers(pass, c) {
				pass.ReportRangef(before.call, "TCP is closed right behind the Close frame, which a reset can destroy: the peer sees 1006. Read until the peer's answer has come")
			}
			before = now
		}
	}
	return nil, nil
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
