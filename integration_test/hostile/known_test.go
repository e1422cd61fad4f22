package hostile

import "strings"

// known are faults of the guard that are found and not yet mended: they are
// counted and fail nothing. To empty the table, delete its rows.
var known = []struct {
	name, reason string
	is           func(c *connection, misfit string) bool // c is nil for a whole crowd
}{
	{
		"short report",
		"Shutdown closes Draining before it has joined the connections, so a handler that returns then may have ended and reported its own (testdata/shutdown_report_test.go)",
		func(c *connection, misfit string) bool { return c == nil && strings.HasPrefix(misfit, lacks) },
	},
}

// nameOf is the known fault that a misfit is, "" if it is none.
func nameOf(c *connection, misfit string) string {
	for _, k := range known {
		if k.is(c, misfit) {
			return k.name
		}
	}
	return ""
}
