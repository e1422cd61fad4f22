// Package check has the checks of closevet, one file each, as analyzers for any driver of
// golang.org/x/tools/go/analysis.
//
// A check reports only what is wrong in the code that it sees. Where a value comes from
// somewhere else, as a code in a variable, it says nothing.
package check

import "golang.org/x/tools/go/analysis"

// All returns the checks in the order in which closevet help lists them.
func All() []*analysis.Analyzer {
	return []*analysis.Analyzer{
		Frame,
		Assertion, Predicate, Comparison, Embedded,
		Abrupt, After, CloseHandler, Forgotten, Middleware,
		Move,
	}
}
