package closetest

import "testing"

// Promises returns the names of what TestAdapter checks of an adapter.
func Promises(a Adapter) []string {
	var names []string
	for _, p := range promisesOf(a) {
		names = append(names, p.name)
	}
	return names
}

// Check runs one of TestAdapter's checks, in a bubble of the caller's.
func Check(t testing.TB, promise string, a Adapter) {
	for _, p := range promises {
		if p.name == promise {
			p.check(t, a)
			return
		}
	}
	t.Fatalf("no promise is called %q", promise)
}
