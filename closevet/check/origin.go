package check

import (
	"go/token"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/buildssa"
	"golang.org/x/tools/go/ssa"
)

// program is a package in the form in which the way of a value can be followed: through
// variables, fields, arguments and results of this package's functions.
type program struct {
	at      map[token.Pos]ssa.Instruction // assertions, comparisons and calls
	calls   map[*ssa.Function][]*ssa.CallCommon
	closes  map[*ssa.Function][]*ssa.MakeClosure
	fields  map[*types.Var][]ssa.Value // where they are read or written
	stored  map[*types.Var][]ssa.Value // in them
	globals map[*ssa.Global][]ssa.Value
}

// origins makes the program for the checks that need it.
var origins = &analysis.Analyzer{
	Name:       "closeorigins",
	Doc:        "follow errors and connections for the other checks",
	Requires:   []*analysis.Analyzer{buildssa.Analyzer},
	ResultType: reflect.TypeFor[*program](),
	Run:        func(pass *analysis.Pass) (any, error) { return programOf(pass), nil },
}

func programOf(pass *analysis.Pass) *program {
	p := &program{
		at:      make(map[token.Pos]ssa.Instruction),
		calls:   make(map[*ssa.Function][]*ssa.CallCommon),
		closes:  make(map[*ssa.Function][]*ssa.MakeClosure),
		fields:  make(map[*types.Var][]ssa.Value),
		stored:  make(map[*types.Var][]ssa.Value),
		globals: make(map[*ssa.Global][]ssa.Value),
	}
	for _, f := range pass.ResultOf[buildssa.Analyzer].(*buildssa.SSA).SrcFuncs {
		for _, b := range f.Blocks {
			for _, i := range b.Instrs {
				p.note(i)
			}
		}
	}
	return p
}

func (p *program) note(i ssa.Instruction) {
	switch i := i.(type) {
	case ssa.CallInstruction:
		if f := i.Common().StaticCallee(); f != nil {
			p.calls[f] = append(p.calls[f], i.Common())
		}
		p.at[i.Pos()] = i
	case *ssa.TypeAssert, *ssa.BinOp:
		p.at[i.Pos()] = i
	case *ssa.MakeClosure:
		f := i.Fn.(*ssa.Function)
		p.closes[f] = append(p.closes[f], i)
	case *ssa.FieldAddr:
		if f := fieldOf(i.X.Type(), i.Field); f != nil {
			p.fields[f] = append(p.fields[f], i)
		}
	case *ssa.Field:
		if f := fieldOf(i.X.Type(), i.Field); f != nil {
			p.fields[f] = append(p.fields[f], i)
		}
	case *ssa.Store:
		switch to := i.Addr.(type) {
		case *ssa.FieldAddr:
			if f := fieldOf(to.X.Type(), to.Field); f != nil {
				p.stored[f] = append(p.stored[f], i.Val)
			}
		case *ssa.Global:
			p.globals[to] = append(p.globals[to], i.Val)
		}
	}
}

// fieldOf returns a field of a struct or of what a pointer points to.
func fieldOf(t types.Type, i int) *types.Var {
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		t = ptr.Elem()
	}
	if s, ok := t.Underlying().(*types.Struct); ok {
		return s.Field(i).Origin()
	}
	return nil
}

// comesFrom reports whether v can be a result of a call that is asked for.
func (p *program) comesFrom(v ssa.Value, asked func(*ssa.CallCommon) bool) bool {
	seen := make(map[ssa.Value]bool)
	var visit func(v ssa.Value) bool
	any := func(vs ...ssa.Value) bool {
		for _, v := range vs {
			if v != nil && visit(v) {
				return true
			}
		}
		return false
	}
	visit = func(v ssa.Value) bool {
		if seen[v] {
			return false
		}
		seen[v] = true
		switch v := v.(type) {
		case *ssa.Call:
			return asked(&v.Call) || any(results(v.Call.StaticCallee(), 0)...)
		case *ssa.Extract:
			call, ok := v.Tuple.(*ssa.Call)
			return ok && (asked(&call.Call) || any(results(call.Call.StaticCallee(), v.Index)...))
		case *ssa.Phi:
			return any(v.Edges...)
		case *ssa.ChangeInterface:
			return visit(v.X)
		case *ssa.MakeInterface:
			return visit(v.X)
		case *ssa.Field:
			return any(p.stored[fieldOf(v.X.Type(), v.Field)]...)
		case *ssa.UnOp:
			return v.Op == token.MUL && any(p.contents(v.X)...)
		case *ssa.Parameter:
			return any(p.arguments(v)...)
		case *ssa.FreeVar:
			return any(p.captured(v)...)
		}
		return false
	}
	return visit(v)
}

// results returns what a function of this package returns as its result number i.
func results(f *ssa.Function, i int) (vs []ssa.Value) {
	if f == nil {
		return nil
	}
	for _, b := range f.Blocks {
		if len(b.Instrs) == 0 {
			continue
		}
		if r, ok := b.Instrs[len(b.Instrs)-1].(*ssa.Return); ok && i < len(r.Results) {
			vs = append(vs, r.Results[i])
		}
	}
	return vs
}

// contents returns what is stored where an address points to.
func (p *program) contents(addr ssa.Value) (vs []ssa.Value) {
	switch addr := addr.(type) {
	case *ssa.FieldAddr:
		return p.stored[fieldOf(addr.X.Type(), addr.Field)]
	case *ssa.Global:
		return p.globals[addr]
	case *ssa.FreeVar:
		for _, v := range p.captured(addr) {
			vs = append(vs, p.contents(v)...)
		}
		return vs
	case *ssa.Alloc:
		return p.storedAt(addr)
	}
	return nil
}

// storedAt returns what is stored in a variable, by function literals, too.
func (p *program) storedAt(addr ssa.Value) (vs []ssa.Value) {
	for _, r := range *addr.Referrers() {
		switch r := r.(type) {
		case *ssa.Store:
			if r.Addr == addr {
				vs = append(vs, r.Val)
			}
		case *ssa.MakeClosure:
			for i, b := range r.Bindings {
				if b == addr {
					vs = append(vs, p.storedAt(r.Fn.(*ssa.Function).FreeVars[i])...)
				}
			}
		}
	}
	return vs
}

// arguments returns what this package passes for a parameter.
func (p *program) arguments(v *ssa.Parameter) (vs []ssa.Value) {
	for i, param := range v.Parent().Params {
		if param != v {
			continue
		}
		for _, call := range p.calls[v.Parent()] {
			if i < len(call.Args) {
				vs = append(vs, call.Args[i])
			}
		}
	}
	return vs
}

// captured returns what a function literal has for a variable from around it.
func (p *program) captured(v *ssa.FreeVar) (vs []ssa.Value) {
	for i, free := range v.Parent().FreeVars {
		if free != v {
			continue
		}
		for _, c := range p.closes[v.Parent()] {
			vs = append(vs, c.Bindings[i])
		}
	}
	return vs
}
