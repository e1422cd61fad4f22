package report

import (
	"fmt"
	"strings"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// Summary says in words what the results mean for users, and what to do.
func Summary(url string, results []doctor.Result) string {
	o := doctor.Judge(results)
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d good, %d bad, %d can't tell.\n", url, o.Good, o.Bad, o.Unsure)
	for _, kind := range o.Faults {
		out.WriteString("\n" + wrap(kind.Name+": "+kind.Means) + wrap("What to do: "+kind.Cure))
	}
	if o.Missed > 0 {
		fmt.Fprintf(&out, "\n%d probes got no WebSocket to look at.\n", o.Missed)
	}
	if o.Verdict == doctor.Good {
		out.WriteString("Clients learn here how their connections end.\n")
	}
	return out.String()
}

// columns is how wide the words below the table are.
const columns = 100

// wrap breaks a text between words. It ends in a newline.
func wrap(text string) string {
	var out strings.Builder
	width := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case width == 0:
		case width+1+len(word) > columns:
			out.WriteByte('\n')
			width = 0
		default:
			out.WriteByte(' ')
			width++
		}
		out.WriteString(word)
		width += len(word)
	}
	return out.String() + "\n"
}
