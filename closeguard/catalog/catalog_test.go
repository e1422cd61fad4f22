package catalog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// catalogs are all that there are, with how many names each has.
var catalogs = map[string]struct {
	names catalog.Names
	known int
}{
	"GraphQL":    {catalog.GraphQL, 12},
	"Centrifugo": {catalog.Centrifugo, 21},
}

// docs are the comments on the package's functions that are catalogs.
func docs(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalog.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	docs := make(map[string]string)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Type.Params.NumFields() == 2 {
			docs[f.Name.Name] = f.Doc.Text()
		}
	}
	return docs
}

// A catalog that has another name for a code than IANA says so in its documentation,
// and says nothing that isn't so.
func TestNoNameContradictsTheRegistrySilently(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\s*(\d+) (.+), IANA: (.+)$`)
	docs := docs(t)
	if got, want := slices.Sorted(maps.Keys(docs)), slices.Sorted(maps.Keys(catalogs)); !slices.Equal(got, want) {
		t.Fatalf("the package has the catalogs %v, tested are %v", got, want)
	}
	for name, c := range catalogs {
		admitted := make(map[string]bool)
		for _, m := range row.FindAllStringSubmatch(docs[name], -1) {
			admitted[m[0]] = true
			number, err := strconv.Atoi(m[1])
			if code := closeguard.Code(number); err != nil || c.names(closeguard.ConnInfo{}, code) != m[2] || code.Name() != m[3] {
				t.Errorf("%s: the documentation says %q, which isn't so", name, m[0])
			}
		}
		contradicted := 0
		for code := closeguard.Code(-1); code <= 5000; code++ {
			if ours, theirs := c.names(closeguard.ConnInfo{}, code), code.Name(); ours != "" && theirs != "" && ours != theirs {
				contradicted++
				if len(row.FindAllString(docs[name], -1)) < contradicted {
					t.Errorf("%s calls %d %q, IANA %q, and the documentation doesn't say so", name, code, ours, theirs)
				}
			}
		}
		if contradicted != len(admitted) {
			t.Errorf("%s: %d names contradict IANA's, the documentation has %d", name, contradicted, len(admitted))
		}
	}
}

// Names are as those of the registry, and only of codes that may be sent.
func TestNames(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z]+( [a-z]+)*$`)
	for name, c := range catalogs {
		known := make(map[string]closeguard.Code)
		for code := closeguard.Code(-1); code <= 70000; code++ {
			word := c.names(closeguard.ConnInfo{}, code)
			if word == "" {
				continue
			}
			if other, twice := known[word]; twice || !plain.MatchString(word) || (closeguard.CloseFrame{Code: code}).Validate(closeguard.Server) != nil {
				t.Errorf("%s: %d %q, also %d", name, code, word, other)
			}
			known[word] = code
		}
		if len(known) != c.known {
			t.Errorf("%s has %d names, want %d", name, len(known), c.known)
		}
	}
}

func TestBySubprotocol(t *testing.T) {
	choice := map[string]catalog.Names{"graphql-transport-ws": catalog.GraphQL, "": catalog.Centrifugo, "chat": nil}
	names := catalog.BySubprotocol(choice)
	clear(choice) // it has its own
	for _, tt := range []struct {
		subprotocol string
		code        closeguard.Code
		want        string
	}{
		{"graphql-transport-ws", 4401, "unauthorized"},
		{"graphql-transport-ws", 3008, ""},
		{"", 3008, "slow"},
		{"", 4401, ""},
		{"chat", 3008, ""},
		{"unheard-of", 3008, ""},
	} {
		if got := names(closeguard.ConnInfo{Subprotocol: tt.subprotocol}, tt.code); got != tt.want {
			t.Errorf("%q, %d: %q, want %q", tt.subprotocol, tt.code, got, tt.want)
		}
	}
	if got := catalog.BySubprotocol(nil)(closeguard.ConnInfo{}, 3008); got != "" {
		t.Errorf("without a catalog: %q", got)
	}
}
