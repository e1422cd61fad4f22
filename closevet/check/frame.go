package check

import (
	"errors"
	"go/ast"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"

	"github.com/closeguard/ws/closeguard"
)

// Frame is about Close frames that must not be sent.
var Frame = &analysis.Analyzer{
	Name: "closeframe",
	Doc: `find Close frames that must not be sent

A peer that gets a code that must not be in a frame, such as 1006, or 1010 from a server,
takes it for a broken protocol. A reason of more than 123 bytes doesn't leave at all, and
the peer sees 1006. Only constants are looked at. What is legal is closeguard's own rule.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runFrame,
}

func runFrame(pass *analysis.Pass) (any, error) {
	in := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector)
	for c := range in.Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		name := callee(pass, call)
		role := roleAt(pass, c)
		if args, ok := sendsFrame[name]; ok && len(call.Args) > args.reason {
			checkFrame(pass, role, call.Args[args.code], call.Args[args.reason])
		}
		if sendsPayload[name] && len(call.Args) > 1 {
			checkPayload(pass, role, call.Args[0], call.Args[1])
		}
		if i, ok := sendsStruct[name]; ok && len(call.Args) > i {
			checkLiteral(pass, call.Args[i])
		}
	}
	for c := range in.Root().Preorder((*ast.CompositeLit)(nil)) {
		checkOptions(pass, c.Node().(*ast.CompositeLit))
	}
	return nil, nil
}

// roleAt returns Server inside a function that has to do with a request of net/http's, and
// else Client, who may send a code more.
func roleAt(pass *analysis.Pass, c inspector.Cursor) closeguard.Role {
	for f := range c.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		var t *ast.FuncType
		switch f := f.Node().(type) {
		case *ast.FuncDecl:
			t = f.Type
		case *ast.FuncLit:
			t = f.Type
		}
		for _, p := range t.Params.List {
			if typ := pass.TypesInfo.TypeOf(p.Type); isNamed(typ, "net/http", "ResponseWriter") || isNamed(typ, "net/http", "Request") {
				return closeguard.Server
			}
		}
	}
	return closeguard.Client
}

// checkFrame looks at a code and a reason of which one at least is constant.
func checkFrame(pass *analysis.Pass, role closeguard.Role, code, reason ast.Expr) {
	c, isCode := integer(pass, code)
	r, isReason := text(pass, reason)
	f := closeguard.CloseFrame{Code: closeguard.Code(c), Reason: r}
	at := code
	if !isCode {
		f.Code, at = closeguard.NormalClosure, reason
	}
	if isCode || isReason {
		report(pass, at, reason, f.Validate(role))
	}
}

// report says what is wrong with a Close frame, at its code or its reason.
func report(pass *analysis.Pass, code, reason ast.Expr, err error) {
	var broken *closeguard.FrameError
	if !errors.As(err, &broken) {
		return
	}
	at := code
	if strings.HasPrefix(broken.Rule, "reason ") {
		at = reason
	}
	pass.ReportRangef(at, "%s", strings.TrimPrefix(broken.Error(), "closeguard: "))
}

// checkPayload looks at the payload of a Close that is written as text or isn't there.
func checkPayload(pass *analysis.Pass, role closeguard.Role, kind, payload ast.Expr) {
	if k, ok := integer(pass, kind); !ok || k != closeOpcode {
		return
	}
	conversion, ok := ast.Unparen(payload).(*ast.CallExpr)
	if !ok || len(conversion.Args) != 1 || !pass.TypesInfo.Types[conversion.Fun].IsType() {
		return
	}
	raw, ok := text(pass, conversion.Args[0])
	if !ok {
		return
	}
	f, err := closeguard.ParseCloseFrame([]byte(raw))
	if err == nil {
		err = f.Validate(role)
	}
	if err != nil {
		pass.ReportRangef(payload, "the payload of a Close frame begins with the code in two bytes, which FormatCloseMessage makes: %s", strings.TrimPrefix(err.Error(), "closeguard: "))
	}
}

// checkOptions looks at the frames that the functions in Options of a guard return.
func checkOptions(pass *analysis.Pass, lit *ast.CompositeLit) {
	if !isNamed(pass.TypesInfo.TypeOf(lit), core, "Options") {
		return
	}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		if f, ok := kv.Value.(*ast.FuncLit); ok {
			checkResults(pass, f)
		}
	}
}

// checkResults looks at the frames that a function returns.
func checkResults(pass *analysis.Pass, f *ast.FuncLit) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			for _, r := range n.Results {
				checkLiteral(pass, r)
			}
		}
		return true
	})
}

// checkLiteral looks at a closeguard.CloseFrame{...} that a server sends. An empty one is
// no frame.
func checkLiteral(pass *analysis.Pass, e ast.Expr) {
	lit, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok || len(lit.Elts) == 0 || !isNamed(pass.TypesInfo.TypeOf(lit), core, "CloseFrame") {
		return
	}
	f := closeguard.CloseFrame{}
	var code, reason ast.Expr = lit, lit
	for i, e := range lit.Elts {
		isReason := i == 1
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			e, isReason = kv.Value, kv.Key.(*ast.Ident).Name == "Reason"
		}
		if isReason {
			reason = e
			f.Reason, _ = text(pass, e)
			continue
		}
		code = e
		c, ok := integer(pass, e)
		if !ok {
			c = int64(closeguard.NormalClosure) // not known, perhaps legal
		}
		f.Code = closeguard.Code(c)
	}
	report(pass, code, reason, f.Validate(closeguard.Server))
}
