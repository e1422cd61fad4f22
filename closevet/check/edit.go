package check

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"go/types"
	"path"
	"strconv"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// source returns the Go text of a node.
func source(pass *analysis.Pass, n ast.Node) string {
	var buf bytes.Buffer
	if err := format.Node(&buf, pass.Fset, n); err != nil {
		panic(err) // the node is of a file that was parsed
	}
	return buf.String()
}

func replace(n ast.Node, text string) analysis.TextEdit {
	return analysis.TextEdit{Pos: n.Pos(), End: n.End(), NewText: []byte(text)}
}

func insert(at token.Pos, text string) analysis.TextEdit {
	return analysis.TextEdit{Pos: at, End: at, NewText: []byte(text)}
}

// fileOf returns the file around a place.
func fileOf(c inspector.Cursor) *ast.File {
	for f := range c.Enclosing((*ast.File)(nil)) {
		return f.Node().(*ast.File)
	}
	panic("closevet: a node outside of all files")
}

// imported returns the name of a package at a place in a file, and what has to be inserted
// for that. Imports that are not needed any more are the driver's to remove.
func imported(pass *analysis.Pass, file *ast.File, at token.Pos, pkg string) (string, []analysis.TextEdit) {
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != pkg {
			continue
		}
		if name := pass.TypesInfo.PkgNameOf(spec); name != nil && name.Name() != "_" && name.Name() != "." && visible(pass, file, at, name) {
			return name.Name(), nil
		}
	}
	name, alias := path.Base(pkg), ""
	for taken(pass, file, at, name) {
		name = "guarded" + name
		alias = name + " "
	}
	return name, []analysis.TextEdit{importEdit(file, pkg, alias+strconv.Quote(pkg))}
}

func importEdit(file *ast.File, pkg, spec string) analysis.TextEdit {
	for _, d := range file.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.IMPORT {
			continue
		}
		switch first, _, _ := strings.Cut(pkg, "/"); {
		case !d.Lparen.IsValid():
			return insert(d.Pos(), "import "+spec+"\n")
		case strings.Contains(first, "."):
			return insert(d.Rparen, "\t"+spec+"\n")
		default:
			return insert(d.Lparen+1, "\n\t"+spec)
		}
	}
	return insert(file.Name.End(), "\n\nimport "+spec)
}

// visible reports whether the name at this place is the object.
func visible(pass *analysis.Pass, file *ast.File, at token.Pos, obj types.Object) bool {
	_, found := pass.TypesInfo.Scopes[file].Innermost(at).LookupParent(obj.Name(), at)
	return found == obj
}

// taken reports whether a name means something at this place, or something else anywhere in
// the file.
func taken(pass *analysis.Pass, file *ast.File, at token.Pos, name string) bool {
	for id := range pass.TypesInfo.Defs {
		if id.Name == name && file.FileStart <= id.Pos() && id.Pos() < file.FileEnd {
			return true
		}
	}
	_, found := pass.TypesInfo.Scopes[file].Innermost(at).LookupParent(name, token.NoPos)
	return found != nil
}
