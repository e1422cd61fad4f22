// Package lexicon says about close codes what a list of numbers doesn't: who may send
// one, what clients show, how it comes about, and what helps.
package lexicon

import (
	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/catalog"
)

// An Entry is what there is to say about a code.
type Entry struct {
	Code   closeguard.Code
	Name   string
	Names  []Named // what protocols on WebSocket call it
	Sender string
	Shows  string // what clients do
	Causes string
	Cures  string
}

// A Named code is one of a protocol that has names of its own.
type Named struct{ Protocol, Name string }

// catalogs are those of the package catalog.
var catalogs = []struct {
	protocol string
	names    catalog.Names
}{
	{"GraphQL (graphql-transport-ws)", catalog.GraphQL},
	{"Centrifugo", catalog.Centrifugo},
}

// Look returns the entry of any number.
func Look(code closeguard.Code) Entry {
	e := Entry{Code: code, Name: code.String(), Sender: sender(code)}
	for _, c := range catalogs {
		if name := c.names(closeguard.ConnInfo{}, code); name != "" {
			e.Names = append(e.Names, Named{c.protocol, name})
		}
	}
	t := textOf(code)
	e.Shows, e.Causes, e.Cures = t.shows, t.causes, t.cures
	return e
}

// All returns the entries of all codes that have a name, in order.
func All() []Entry {
	var all []Entry
	for code := closeguard.Code(1000); code < 5000; code++ {
		if e := Look(code); code.Name() != "" || len(e.Names) > 0 {
			all = append(all, e)
		}
	}
	return all
}

// sender says who may begin a Close with the code.
func sender(code closeguard.Code) string {
	f := closeguard.CloseFrame{Code: code}
	server, client := f.Validate(closeguard.Server) == nil, f.Validate(closeguard.Client) == nil
	switch {
	case code == closeguard.NoStatusReceived: // a CloseFrame with it is the empty Close
		return "nobody: it stands for a Close without a code"
	case server && client:
		return "both sides"
	case client:
		return "clients only"
	}
	return "nobody"
}
