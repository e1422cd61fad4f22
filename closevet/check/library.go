package check

import (
	"go/ast"
	"go/constant"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// The packages that the checks know.
const (
	gorillaLib     = "github.com/gorilla/websocket"
	coderLib       = "github.com/coder/websocket"
	nhooyrLib      = "nhooyr.io/websocket" // coder's, before it moved
	core           = "github.com/closeguard/ws/closeguard"
	gorillaAdapter = "github.com/closeguard/ws/adapters/gorilla"
	coderAdapter   = "github.com/closeguard/ws/adapters/coder"
)

// callee returns the full name of the function or method that is called, as in
// "(*github.com/gorilla/websocket.Conn).WriteControl", and "" if only the running program
// knows it.
func callee(pass *analysis.Pass, call *ast.CallExpr) string {
	if f := typeutil.StaticCallee(pass.TypesInfo, call); f != nil {
		return f.Origin().FullName()
	}
	return ""
}

// integer returns the value of an expression that is an integer constant.
func integer(pass *analysis.Pass, e ast.Expr) (int64, bool) {
	v := pass.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.Int {
		return 0, false
	}
	return constant.Int64Val(v)
}

// text returns the value of an expression that is a string constant.
func text(pass *analysis.Pass, e ast.Expr) (string, bool) {
	v := pass.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}

// isNamed reports whether t is the type of this package and name, or a pointer to it.
func isNamed(t types.Type, path, name string) bool {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path
}
