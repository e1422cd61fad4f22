package check

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"

	"github.com/closeguard/ws/closeguard"
)

// An act is what a statement does to a connection.
type act int

const (
	actNone       act = iota
	actWriteClose     // write a Close frame, and go on
	actHandshake      // send a Close frame and wait for the answer
	actWrite          // write data
	actCloseTCP       // close TCP, without a Close frame
)

// acts has the methods whose act their name tells. Of gorilla's writes the kind of message
// decides.
var acts = map[string]act{
	"(*" + gorillaLib + ".Conn).WriteControl":     actWrite,
	"(*" + gorillaLib + ".Conn).WriteMessage":     actWrite,
	"(*" + gorillaLib + ".Conn).WriteJSON":        actWrite,
	"(*" + gorillaLib + ".Conn).NextWriter":       actWrite,
	"(*" + gorillaLib + ".Conn).Close":            actCloseTCP,
	"(*" + gorillaAdapter + ".Conn).WriteControl": actWrite,
	"(*" + gorillaAdapter + ".Conn).WriteMessage": actWrite,
	"(*" + gorillaAdapter + ".Conn).WriteJSON":    actWrite,
	"(*" + gorillaAdapter + ".Conn).NextWriter":   actWrite,
	"(*" + gorillaAdapter + ".Conn).CloseWith":    actHandshake,
	"(*" + coderLib + ".Conn).Write":              actWrite,
	"(*" + coderLib + ".Conn).Writer":             actWrite,
	"(*" + coderLib + ".Conn).Close":              actHandshake,
	"(*" + nhooyrLib + ".Conn).Write":             actWrite,
	"(*" + nhooyrLib + ".Conn).Writer":            actWrite,
	"(*" + nhooyrLib + ".Conn).Close":             actHandshake,
	"(*" + coderAdapter + ".Conn).Write":          actWrite,
	"(*" + coderAdapter + ".Conn).Writer":         actWrite,
	"(*" + coderAdapter + ".Conn).Close":          actHandshake,
	"(*" + coderAdapter + ".Conn).CloseWith":      actHandshake,
}

// A step is a statement that does something to a connection.
type step struct {
	act  act
	conn string // the expression of the connection
	call *ast.CallExpr
}

// stepOf returns what a statement does to a connection without any condition. That is a call
// by itself, one whose result is assigned, and one before or in the condition of an if.
func stepOf(pass *analysis.Pass, s ast.Stmt) step {
	switch s := s.(type) {
	case *ast.ExprStmt:
		return stepIn(pass, s.X)
	case *ast.AssignStmt:
		if len(s.Rhs) == 1 {
			return stepIn(pass, s.Rhs[0])
		}
	case *ast.ReturnStmt:
		if len(s.Results) == 1 {
			return stepIn(pass, s.Results[0])
		}
	case *ast.IfStmt:
		if s.Init != nil {
			return stepOf(pass, s.Init)
		}
		if b, ok := ast.Unparen(s.Cond).(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
			return stepIn(pass, b.X)
		}
	}
	return step{}
}

func stepIn(pass *analysis.Pass, e ast.Expr) step {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		return step{}
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || !isPath(pass, sel.X) {
		return step{}
	}
	a := acts[callee(pass, call)]
	if a != actNone && refused(pass, call) {
		a = actNone
	}
	if a == actWrite && sendsPayload[callee(pass, call)] {
		switch kind, ok := integer(pass, call.Args[0]); {
		case !ok, kind > closeOpcode: // not known, or a ping
			a = actNone
		case kind == closeOpcode:
			a = actWriteClose
		}
	}
	return step{act: a, conn: source(pass, sel.X), call: call}
}

// refused reports whether a Close has a code that must not be sent: that is Frame's to report,
// and with an adapter the connection stays open.
func refused(pass *analysis.Pass, call *ast.CallExpr) bool {
	name := callee(pass, call)
	if sendsPayload[name] && len(call.Args) > 1 {
		if format, ok := ast.Unparen(call.Args[1]).(*ast.CallExpr); ok {
			return refused(pass, format)
		}
	}
	args, ok := sendsFrame[name]
	if !ok || len(call.Args) <= args.code {
		return false
	}
	code, ok := integer(pass, call.Args[args.code])
	return ok && closeguard.CloseFrame{Code: closeguard.Code(code)}.Validate(closeguard.Client) != nil
}

// isPath reports whether an expression is a variable, or a field of one, and so the same
// each time.
func isPath(pass *analysis.Pass, e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		_, ok := pass.TypesInfo.ObjectOf(e).(*types.Var)
		return ok
	case *ast.SelectorExpr:
		return isPath(pass, e.X)
	}
	return false
}

// listOf returns the statements of a node that is a list of them.
func listOf(n ast.Node) []ast.Stmt {
	switch n := n.(type) {
	case *ast.BlockStmt:
		return n.List
	case *ast.CaseClause:
		return n.Body
	case *ast.CommClause:
		return n.Body
	}
	return nil
}
