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

// Comparison is about == where errors.Is is needed.
var Comparison = &analysis.Analyzer{
	Name: "closecomparison",
	Doc: `find comparisons of an adapter's error with io.EOF and the like by ==

An adapter's error is a close event, which has the library's error in its tree: errors.Is
finds it there, and == never does.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
	Run:      runComparison,
}

// ends has the errors that a library returns as they are, and an adapter never.
var ends = map[string]bool{
	"io.EOF":                     true,
	"net.ErrClosed":              true,
	"context.Canceled":           true,
	"context.DeadlineExceeded":   true,
	"os.ErrDeadlineExceeded":     true,
	gorillaLib + ".ErrCloseSent": true,
	gorillaLib + ".ErrReadLimit": true,
}

func runComparison(pass *analysis.Pass) (any, error) {
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.BinaryExpr)(nil), (*ast.SwitchStmt)(nil)) {
		switch n := c.Node().(type) {
		case *ast.BinaryExpr:
			compare(pass, p, c, n)
		case *ast.SwitchStmt:
			if n.Tag != nil {
				compareCases(pass, p, c, n)
			}
		}
	}
	return nil, nil
}

func compare(pass *analysis.Pass, p *program, c inspector.Cursor, n *ast.BinaryExpr) {
	err, end := n.X, n.Y
	if isEnd(pass, err) {
		err, end = end, err
	}
	if n.Op != token.EQL && n.Op != token.NEQ || !isEnd(pass, end) || !p.compares(n.OpPos) {
		return
	}
	not := ""
	if n.Op == token.NEQ {
		not = "!"
	}
	pkg, edits := imported(pass, fileOf(c), n.Pos(), "errors")
	is := not + pkg + ".Is(" + source(pass, err) + ", " + source(pass, end) + ")"
	pass.Report(analysis.Diagnostic{
		Pos: n.Pos(), End: n.End(), Message: message(pass, n.Op, err, end),
		SuggestedFixes: []analysis.SuggestedFix{{Message: "ask errors.Is", TextEdits: append(edits, replace(n, is))}},
	})
}

// compareCases looks at a switch err { case io.EOF: ... }, whose cases become conditions.
func compareCases(pass *analysis.Pass, p *program, c inspector.Cursor, n *ast.SwitchStmt) {
	var found []ast.Expr
	pkg, edits := imported(pass, fileOf(c), n.Pos(), "errors")
	err := source(pass, n.Tag)
	edits = append(edits, replace(n.Tag, ""))
	for _, s := range n.Body.List {
		for _, e := range s.(*ast.CaseClause).List {
			if isEnd(pass, e) && p.compares(e.Pos()) {
				found = append(found, e)
			}
			condition := pkg + ".Is(" + err + ", " + source(pass, e) + ")"
			if pass.TypesInfo.Types[e].IsNil() {
				condition = err + " == nil"
			}
			edits = append(edits, replace(e, condition))
		}
	}
	for _, e := range found {
		d := analysis.Diagnostic{Pos: e.Pos(), End: e.End(), Message: message(pass, token.EQL, n.Tag, e)}
		if _, ok := ast.Unparen(n.Tag).(*ast.Ident); ok { // and not a call, once for each case
			d.SuggestedFixes = []analysis.SuggestedFix{{Message: "ask errors.Is", TextEdits: edits}}
		}
		pass.Report(d)
	}
}

func message(pass *analysis.Pass, op token.Token, err, end ast.Expr) string {
	always := "false"
	if op == token.NEQ {
		always = "true"
	}
	return source(pass, err) + " " + op.String() + " " + source(pass, end) + " is " + always + " for every end of an adapter's connection: ask errors.Is"
}

// isEnd reports whether e is one of the errors in ends.
func isEnd(pass *analysis.Pass, e ast.Expr) bool {
	var id *ast.Ident
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = e
	case *ast.SelectorExpr:
		id = e.Sel
	default:
		return false
	}
	v, ok := pass.TypesInfo.Uses[id].(*types.Var)
	return ok && v.Pkg() != nil && ends[v.Pkg().Path()+"."+v.Name()]
}

// compares reports whether a close event is compared at this place.
func (p *program) compares(at token.Pos) bool {
	b, ok := p.at[at].(*ssa.BinOp)
	return ok && (p.isEvent(b.X) || p.isEvent(b.Y))
}
