// Package report writes what an examination came to: a table for people, JSON for
// programs, a page for both. All are made of the same results.
package report

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// Table writes a line for each probe, and below it in words what is to be done.
func Table(w io.Writer, url string, results []doctor.Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROBE\tEXPECTED (RFC 6455)\tSEEN\tVERDICT") //nolint:errcheck // Flush tells
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s (%s)\t%s\t%v\n", r.Probe, r.Wants, r.RFC, r.Seen, r.Verdict) //nolint:errcheck // the same
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n"+Summary(url, results))
	return err
}
