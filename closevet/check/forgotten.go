package check

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/ssa"
)

// Forgotten is about connections that nobody closes.
var Forgotten = &analysis.Analyzer{
	Name: "closeforgotten",
	Doc: `find connections of gorilla's that are never closed

A failed read doesn't close the connection. If nobody calls Close, the socket stays, and the
peer with it. What is passed on to other packages is not looked at, nor what is kept in maps,
slices and exported fields.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, origins},
	Run:      runForgotten,
}

// opens has what returns a connection that has to be closed.
var opens = map[string]bool{
	"(*" + gorillaLib + ".Upgrader).Upgrade":   true,
	"(*" + gorillaLib + ".Dialer).Dial":        true,
	"(*" + gorillaLib + ".Dialer).DialContext": true,
}

func runForgotten(pass *analysis.Pass) (any, error) {
	p := pass.ResultOf[origins].(*program)
	for c := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if !opens[callee(pass, call)] {
			continue
		}
		opened, ok := p.at[call.Lparen].(*ssa.Call)
		if !ok || opened.Parent().Name() == "main" && pass.Pkg.Name() == "main" {
			continue // at the end of the program all are closed
		}
		for _, r := range *opened.Referrers() {
			conn, ok := r.(*ssa.Extract)
			if !ok || conn.Index != 0 {
				continue
			}
			u := use{program: p, seen: make(map[any]bool)}
			if u.follow(conn); u.called && !u.closed && !u.lost {
				pass.ReportRangef(call, "nobody closes this connection: call its Close when reading has failed")
			}
		}
	}
	return nil, nil
}

// A use is what becomes of a connection.
type use struct {
	*program
	seen   map[any]bool
	called bool // a method at least
	closed bool
	lost   bool // it is where it can't be followed
}

// follow goes on from a value that is the connection.
func (u *use) follow(v ssa.Value) {
	if u.seen[v] || u.closed || u.lost {
		return
	}
	u.seen[v] = true
	for _, r := range *v.Referrers() {
		switch r := r.(type) {
		case *ssa.DebugRef, *ssa.BinOp:
		case *ssa.Phi:
			u.follow(r)
		case *ssa.Store:
			u.store(r.Addr)
		case *ssa.MakeClosure:
			for i, b := range r.Bindings {
				if f := r.Fn.(*ssa.Function); b == v && f.Synthetic == "" {
					u.follow(f.FreeVars[i])
				} else if b == v {
					u.lost = true // a method as a value
				}
			}
		case ssa.CallInstruction:
			u.call(r.Common(), v)
		default:
			u.lost = true
		}
	}
}

// call looks at a call with the connection as its receiver or an argument.
func (u *use) call(call *ssa.CallCommon, v ssa.Value) {
	f := call.StaticCallee()
	if f == nil {
		u.lost = true
		return
	}
	for i, arg := range call.Args {
		switch {
		case arg != v:
		case f.Blocks != nil && f.Synthetic == "":
			u.follow(f.Params[i])
		case i > 0 || !strings.HasPrefix(f.RelString(nil), "(*"+gorillaLib+".Conn)."):
			u.lost = true
		case f.Name() == "Close":
			u.closed = true
		case strings.HasSuffix(f.Name(), "Conn"): // UnderlyingConn and NetConn
			u.lost = true
		default:
			u.called = true
		}
	}
}

// store goes on where the connection is stored: in a variable, or in an unexported field,
// wherever that is read.
func (u *use) store(addr ssa.Value) {
	switch addr := addr.(type) {
	case *ssa.Alloc:
		u.loads(addr)
	case *ssa.FieldAddr:
		f := fieldOf(addr.X.Type(), addr.Field)
		if f == nil || f.Exported() || f.Embedded() {
			u.lost = true
			return
		}
		if u.seen[f] {
			return
		}
		u.seen[f] = true
		for _, at := range u.fields[f] {
			u.loads(at)
		}
	default:
		u.lost = true
	}
}

// loads goes on with what is read at an address, or is read of a struct's value.
func (u *use) loads(at ssa.Value) {
	if u.seen[at] {
		return
	}
	u.seen[at] = true
	if f, ok := at.(*ssa.Field); ok {
		u.follow(f)
		return
	}
	for _, r := range *at.Referrers() {
		switch r := r.(type) {
		case *ssa.DebugRef, *ssa.Store:
		case *ssa.UnOp:
			if r.Op == token.MUL {
				u.follow(r)
			}
		case *ssa.MakeClosure:
			for i, b := range r.Bindings {
				if b == at {
					u.loads(r.Fn.(*ssa.Function).FreeVars[i])
				}
			}
		default:
			u.lost = true
		}
	}
}
