package report

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// Probes lists what they do, and the most bytes that each sends.
func Probes(w io.Writer, probes []*doctor.Probe) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROBE\tRFC 6455\tBYTES\tWHAT IT DOES") //nolint:errcheck // Flush tells
	for _, p := range probes {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", p.FullName(), p.RFC, p.Sends, p.Does) //nolint:errcheck // the same
	}
	return table.Flush()
}
