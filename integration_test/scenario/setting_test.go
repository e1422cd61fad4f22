package scenario

import (
	"slices"
	"strings"
)

// A setting is one way to run a row: a value of each dimension.
type setting [len(dimensions)]string

// The dimensions and their values.
var dimensions = [...][]string{
	{"gorilla", "coder", "gobwas", "gws", "xnet"},
	{"server", "client"}, // what the library is; the peer is the other one
	{"ws", "wss"},
	{"adapter", "plain"}, // plain: the library's own API, with the guard below it
	{"bare", "deflate"},  // whether permessage-deflate is agreed on
}

func (s setting) String() string { return strings.Join(s[:], " ") }

// is reports whether the setting has all these values, "gorilla client", say.
func (s setting) is(values string) bool {
	for value := range strings.FieldsSeq(values) {
		if !slices.Contains(s[:], value) {
			return false
		}
	}
	return true
}

// possible reports whether there is such a thing. The other libraries have no
// adapter, and run as servers: as clients they need a dialer each, which is not
// what the middleware is for.
func (s setting) possible() bool {
	return s.is("gorilla") || s.is("coder") || s.is("server plain bare")
}

// product returns all possible settings that have these values.
func product(libraries []string, only string) []setting {
	settings := []setting{{}}
	for i, values := range dimensions {
		if i == 0 {
			values = libraries
		}
		var longer []setting
		for _, s := range settings {
			for _, value := range values {
				s[i] = value
				longer = append(longer, s)
			}
		}
		settings = longer
	}
	return slices.DeleteFunc(settings, func(s setting) bool { return !s.possible() || !s.is(only) })
}

// pairwise returns some of the settings in which every pair of values occurs
// that occurs in all of them.
func pairwise(all []setting) []setting {
	type pair struct {
		i, j int
		a, b string
	}
	pairs := func(s setting) (of []pair) {
		for i := range s {
			for j := range i {
				of = append(of, pair{i, j, s[i], s[j]})
			}
		}
		return of
	}
	left := make(map[pair]bool)
	for _, s := range all {
		for _, p := range pairs(s) {
			left[p] = true
		}
	}
	var some []setting
	for len(left) > 0 {
		var best setting
		most := 0
		for _, s := range all {
			n := 0
			for _, p := range pairs(s) {
				if left[p] {
					n++
				}
			}
			if n > most {
				best, most = s, n
			}
		}
		for _, p := range pairs(best) {
			delete(left, p)
		}
		some = append(some, best)
	}
	return some
}
