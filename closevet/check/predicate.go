package check

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/ssa"
)

// Predicate is about gorilla's functions that ask for a code.
var Predicate = &analysis.Analyzer{
	Name: "closepredicate",
	Doc: `find gorilla's IsCloseError and IsUnexpectedCloseError where they are always false

They assert the type of the error, and an adapter's error has another one. Those of
adapters/gorilla have the same signatures and look into the error's tree.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
	Run:      runPredicate,
}

var predicates = map[string]bool{
	gorillaLib + ".IsCloseError":           true,
	gorillaLib + ".IsUnexpectedCloseError": true,
}

func runPredicate(pass *analysis.Pass) (any, error) {
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if !predicates[callee(pass, call)] {
			continue
		}
		instr, ok := p.at[call.Lparen].(ssa.CallInstruction)
		if !ok || !p.isEvent(instr.Common().Args[0]) {
			continue
		}
		d := analysis.Diagnostic{Pos: call.Pos(), End: call.End(), Message: source(pass, call.Fun) + " is false for every end of an adapter's connection"}
		if name, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
			adapter, edits := imported(pass, fileOf(c), call.Pos(), gorillaAdapter)
			d.SuggestedFixes = []analysis.SuggestedFix{{
				Message:   "take the adapter's",
				TextEdits: append(edits, replace(name.X, adapter)),
			}}
		}
		pass.Report(d)
	}
	return nil, nil
}
