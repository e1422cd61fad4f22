package hostile

// known are faults of the guard that are found and not yet mended: they are
// counted and fail nothing. To empty the table, delete its rows.
var known = []struct {
	name, reason string
	is           func(c *connection, misfit string) bool
}{}

// nameOf is the known fault that a misfit is, "" if it is none.
func nameOf(c *connection, misfit string) string {
	for _, k := range known {
		if k.is(c, misfit) {
			return k.name
		}
	}
	return ""
}
