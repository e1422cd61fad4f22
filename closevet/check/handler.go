package check

import (
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/ssa"
)

// CloseHandler is about handlers that leave the peer without an answer.
var CloseHandler = &analysis.Analyzer{
	Name: "closehandler",
	Doc: `find close handlers of gorilla's that don't answer

A handler that is set takes the place of the one that sends the answer to the peer's Close.
Without an answer the peer waits, and then sees 1006. Programs that require closeguard are
left out: there the guard answers.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
}

var handlerGuarded = evenGuarded(CloseHandler)

func init() { CloseHandler.Run = runCloseHandler } // which asks for its flag

func runCloseHandler(pass *analysis.Pass) (any, error) {
	if !*handlerGuarded && requiresGuard(pass) {
		return nil, nil
	}
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if callee(pass, call) != "(*"+gorillaLib+".Conn).SetCloseHandler" {
			continue
		}
		instr, ok := p.at[call.Lparen].(ssa.CallInstruction)
		if !ok || len(instr.Common().Args) != 2 {
			continue
		}
		if f := functionOf(instr.Common().Args[1]); f != nil && !mayAnswer(f, make(map[*ssa.Function]bool)) {
			pass.ReportRangef(call, "this close handler doesn't answer the peer's Close: call the one that CloseHandler returned before, or WriteControl")
		}
	}
	return nil, nil
}

// functionOf returns the function that a value is, nil if only the running program knows.
func functionOf(v ssa.Value) *ssa.Function {
	switch v := v.(type) {
	case *ssa.Function:
		return v
	case *ssa.MakeClosure:
		return v.Fn.(*ssa.Function)
	case *ssa.ChangeType:
		return functionOf(v.X)
	}
	return nil
}

// mayAnswer reports whether a function writes, or does anything that can't be looked into:
// then somebody else may answer.
func mayAnswer(f *ssa.Function, seen map[*ssa.Function]bool) bool {
	if seen[f] {
		return false
	}
	seen[f] = true
	if f.Blocks == nil {
		return true
	}
	for _, b := range f.Blocks {
		for _, i := range b.Instrs {
			switch i := i.(type) {
			case *ssa.Send, *ssa.Select, *ssa.Panic:
				return true
			case ssa.CallInstruction:
				if callMayAnswer(i.Common(), seen) {
					return true
				}
			}
		}
	}
	return false
}

func callMayAnswer(call *ssa.CallCommon, seen map[*ssa.Function]bool) bool {
	if b, ok := call.Value.(*ssa.Builtin); ok {
		return b.Name() == "close" // of a channel, for which somebody waits
	}
	f := call.StaticCallee()
	switch {
	case f == nil:
		return true
	case f.Blocks != nil:
		return mayAnswer(f, seen)
	case f.Pkg == nil:
		return true
	case f.Pkg.Pkg.Path() == gorillaLib:
		return strings.HasPrefix(f.Name(), "Write") || f.Name() == "NextWriter" || strings.HasSuffix(f.Name(), "Conn")
	}
	first, _, _ := strings.Cut(f.Pkg.Pkg.Path(), "/")
	return strings.Contains(first, ".") // none of the standard library's can
}
