package check

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// After is about what is written behind the end.
var After = &analysis.Analyzer{
	Name: "closeafter",
	Doc: `find writes and Closes that come after a Close

After a Close frame nothing may follow, and both libraries and closeguard see to that: the
peer never learns a second code, nor what is written. Only statements that follow each other
whatever happens are looked at.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runAfter,
}

func runAfter(pass *analysis.Pass) (any, error) {
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	for c := range in.Root().Preorder((*ast.BlockStmt)(nil), (*ast.CaseClause)(nil), (*ast.CommClause)(nil)) {
		ended := make(map[string]act) // by connection
		for _, s := range listOf(c.Node()) {
			forgetAssigned(pass, s, ended)
			step := stepOf(pass, s)
			if before := ended[step.conn]; before != actNone {
				reportAfter(pass, before, step)
			}
			if step.act == actWriteClose || step.act == actHandshake || step.act == actCloseTCP {
				ended[step.conn] = max(step.act, ended[step.conn])
			}
		}
	}
	return nil, nil
}

func reportAfter(pass *analysis.Pass, before act, s step) {
	what := "the Close frame"
	if before == actCloseTCP {
		what = "TCP was closed"
	}
	switch s.act {
	case actWrite:
		pass.ReportRangef(s.call, "what is written after %s doesn't leave", what)
	case actWriteClose:
		pass.ReportRangef(s.call, "a Close frame after %s doesn't leave: the peer never learns its code", what)
	case actHandshake:
		if before == actHandshake || before == actWriteClose {
			pass.ReportRangef(s.call, "a second Close doesn't leave: the peer never learns its code")
		}
	case actNone, actCloseTCP:
	}
}

// forgetAssigned forgets connections that a statement may give another value.
func forgetAssigned(pass *analysis.Pass, s ast.Stmt, ended map[string]act) {
	ast.Inspect(s, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok {
			for _, to := range a.Lhs {
				name := source(pass, to)
				for conn := range ended {
					if conn == name || strings.HasPrefix(conn, name+".") {
						delete(ended, conn)
					}
				}
			}
		}
		return true
	})
}
