package check

import (
	"go/ast"
	"go/token"
	"go/types"
	"go/version"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/ssa"
)

// Assertion is about assertions of the libraries' close errors.
var Assertion = &analysis.Analyzer{
	Name: "closeassertion",
	Doc: `find type assertions that an adapter's error never fulfils

err.(*websocket.CloseError) asks for the library's type itself. An adapter's error is a close
event, which has the library's error in its tree: errors.As finds it there. So it is with the
cases of a type switch.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
	Run:      runAssertion,
}

func runAssertion(pass *analysis.Pass) (any, error) {
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.TypeAssertExpr)(nil), (*ast.TypeSwitchStmt)(nil)) {
		switch n := c.Node().(type) {
		case *ast.TypeAssertExpr:
			if n.Type != nil && isCloseError(pass.TypesInfo.TypeOf(n.Type)) && p.asserts(n.Lparen) {
				assertion(pass, c, n)
			}
		case *ast.TypeSwitchStmt:
			for _, s := range n.Body.List {
				clause := s.(*ast.CaseClause)
				for _, e := range clause.List {
					if isCloseError(pass.TypesInfo.TypeOf(e)) && p.asserts(clause.Case) {
						typeSwitch(pass, c, n, e)
					}
				}
			}
		}
	}
	return nil, nil
}

// isCloseError reports whether t is the type of a library's close errors: gorilla's is a
// pointer, coder's is none.
func isCloseError(t types.Type) bool {
	_, pointer := types.Unalias(t).(*types.Pointer)
	if pointer {
		return isNamed(t, gorillaLib, "CloseError")
	}
	return t != nil && isNamed(t, coderLib, "CloseError")
}

// asserts reports whether a close event is asserted at this place.
func (p *program) asserts(at token.Pos) bool {
	a, ok := p.at[at].(*ssa.TypeAssert)
	return ok && p.isEvent(a.X)
}

func assertion(pass *analysis.Pass, c inspector.Cursor, n *ast.TypeAssertExpr) {
	d := analysis.Diagnostic{Pos: n.Pos(), End: n.End(), Message: source(pass, n) + " fails for every end of an adapter's connection: ask errors.As"}
	assign, ok := c.Parent().Node().(*ast.AssignStmt)
	if !ok || len(assign.Lhs) != 2 {
		pass.Report(d) // with one result it panics; what is right then is for people to say
		return
	}
	file := fileOf(c)
	pkg, edits := imported(pass, file, n.Pos(), "errors")
	if version.Compare(pass.TypesInfo.FileVersions[file], "go1.26") >= 0 {
		edits = append(edits, replace(n, pkg+".AsType["+source(pass, n.Type)+"]("+source(pass, n.X)+")"))
		d.SuggestedFixes = []analysis.SuggestedFix{{Message: "ask errors.AsType", TextEdits: edits}}
	} else if as := asEdits(pass, pkg, c.Parent(), assign, n); as != nil {
		d.SuggestedFixes = []analysis.SuggestedFix{{Message: "ask errors.As", TextEdits: append(edits, as...)}}
	}
	pass.Report(d)
}

// asEdits makes v, ok := err.(T) into a call of errors.As, which wants a variable that is
// there already. It returns nil where that takes more than a few lines.
func asEdits(pass *analysis.Pass, pkg string, c inspector.Cursor, assign *ast.AssignStmt, n *ast.TypeAssertExpr) []analysis.TextEdit {
	v, ok1 := assign.Lhs[0].(*ast.Ident)
	ok, ok2 := assign.Lhs[1].(*ast.Ident)
	if !ok1 || !ok2 {
		return nil
	}
	typ := source(pass, n.Type)
	as := pkg + ".As(" + source(pass, n.X) + ", &" + v.Name + ")"
	assigned := " = "
	if pass.TypesInfo.Defs[ok] != nil {
		assigned = " := "
	}
	_, statement := c.Parent().Node().(*ast.IfStmt)
	statement = !statement && isStatement(c)
	switch {
	case v.Name == "_":
		return []analysis.TextEdit{replace(assign, ok.Name+assigned+pkg+".As("+source(pass, n.X)+", new("+typ+"))")}
	case pass.TypesInfo.Defs[v] == nil:
		if !types.Identical(pass.TypesInfo.TypeOf(v), pass.TypesInfo.TypeOf(n.Type)) {
			return nil
		}
		return []analysis.TextEdit{replace(assign, ok.Name+assigned+as)}
	case statement && ok.Name == "_":
		return []analysis.TextEdit{replace(assign, "var "+v.Name+" "+typ+"\n"+as)}
	case statement:
		return []analysis.TextEdit{replace(assign, "var "+v.Name+" "+typ+"\n"+ok.Name+assigned+as)}
	}
	return conditionEdits(pass, c, assign, zero(pass, n.Type), as)
}

// conditionEdits makes if v, ok := err.(T); ok { into if v := zero; errors.As(err, &v) {,
// if ok is asked but once.
func conditionEdits(pass *analysis.Pass, c inspector.Cursor, assign *ast.AssignStmt, zero, as string) []analysis.TextEdit {
	branch, isIf := c.Parent().Node().(*ast.IfStmt)
	ok := pass.TypesInfo.Defs[assign.Lhs[1].(*ast.Ident)]
	if !isIf || ok == nil {
		return nil
	}
	var asked []*ast.Ident
	ast.Inspect(branch, func(n ast.Node) bool {
		if id, isIdent := n.(*ast.Ident); isIdent && pass.TypesInfo.Uses[id] == ok {
			asked = append(asked, id)
		}
		return true
	})
	if len(asked) != 1 || asked[0].Pos() > branch.Cond.End() {
		return nil
	}
	return []analysis.TextEdit{
		replace(assign, assign.Lhs[0].(*ast.Ident).Name+" := "+zero),
		replace(asked[0], as),
	}
}

// zero returns an expression for the zero value of a type that isCloseError.
func zero(pass *analysis.Pass, t ast.Expr) string {
	if _, ok := types.Unalias(pass.TypesInfo.TypeOf(t)).(*types.Pointer); ok {
		return "(" + source(pass, t) + ")(nil)"
	}
	return "(" + source(pass, t) + "{})"
}

// isStatement reports whether a statement stands in a list, where another one can be put
// before it.
func isStatement(c inspector.Cursor) bool {
	switch c.Parent().Node().(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

// typeSwitch reports a case that no close event fulfils. The fix has the switch look at
// what errors.As finds.
func typeSwitch(pass *analysis.Pass, c inspector.Cursor, n *ast.TypeSwitchStmt, e ast.Expr) {
	d := analysis.Diagnostic{Pos: e.Pos(), End: e.End(), Message: "no end of an adapter's connection is a " + source(pass, e) + ": ask errors.As"}
	subject := subjectOf(n)
	if n.Init == nil && isStatement(c) && types.Identical(pass.TypesInfo.TypeOf(subject), types.Universe.Lookup("error").Type()) {
		file := fileOf(c)
		pkg, edits := imported(pass, file, n.Pos(), "errors")
		asserted := "asserted"
		for taken(pass, file, n.Pos(), asserted) {
			asserted += "Error"
		}
		before := asserted + " := " + source(pass, subject) +
			"\nif closeError := " + zero(pass, e) + "; " + pkg + ".As(" + asserted + ", &closeError) {\n" +
			asserted + " = closeError\n}\n"
		d.SuggestedFixes = []analysis.SuggestedFix{{
			Message:   "ask errors.As before",
			TextEdits: append(edits, insert(n.Pos(), before), replace(subject, asserted)),
		}}
	}
	pass.Report(d)
}

// subjectOf returns the x of switch x.(type).
func subjectOf(n *ast.TypeSwitchStmt) ast.Expr {
	var assert ast.Expr
	switch s := n.Assign.(type) {
	case *ast.AssignStmt:
		assert = s.Rhs[0]
	case *ast.ExprStmt:
		assert = s.X
	}
	return ast.Unparen(assert).(*ast.TypeAssertExpr).X
}
