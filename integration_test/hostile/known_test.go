package hostile

import (
	"slices"
	"strings"
	"time"

	"github.com/closeguard/ws/integration_test/record"
)

// known are faults of the guard that are found and not yet mended: they are
// counted and fail nothing. To empty the table, delete its rows, and wroteLate
// with the one that needs it.
var known = []struct {
	name, reason string
	is           func(c *connection, misfit string) bool // c is nil for a whole crowd
}{
	{
		"short report",
		"Shutdown closes Draining before it has joined the connections, so a handler that returns then may have ended and reported its own (testdata/shutdown_report_test.go)",
		func(c *connection, misfit string) bool { return c == nil && strings.HasPrefix(misfit, lacks) },
	},
	{
		"late write",
		"when the Write of our Close returns late, the answer or the end of TCP waits for it no longer than half of CloseIdle: it counts as first then, and Sent may be missing (testdata/late_write_test.go)",
		func(c *connection, misfit string) bool {
			return slices.ContainsFunc([]string{"sent none, ", "answered: false, ", "the peer read ", "it is ", "it took ", "the code is "},
				func(s string) bool { return strings.HasPrefix(misfit, s) }) && c != nil && c.wroteLate()
		},
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

// wroteLate reports whether the Write of our Close returned, or may have, so much
// later than what the peer did was read.
func (c *connection) wroteLate() (late bool) {
	if c.record == nil { // there only a busy machine delays it
		return record.Stalls.Between(c.toldAt.Add(-time.Second), c.toldAt) > 50*time.Millisecond
	}
	c.record.Look(func(r *record.Record) {
		if r.Out.Close == nil {
			return
		}
		returned := r.Out.Returned
		if returned.IsZero() {
			returned = r.Closed // it had not even returned by then
		}
		for _, read := range []time.Time{r.In.At, r.In.Ended} {
			waited := returned.Sub(read) + record.Stalls.Between(r.Out.Start, r.Closed)
			late = late || (record.Crossed(read, r.Out.Start) || read.After(r.Out.Start)) && waited > c.patience
		}
	})
	return late
}
