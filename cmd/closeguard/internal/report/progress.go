package report

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

// IsTerminal reports whether people are looking at the file right now.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A Progress bar shows on one line of a terminal how far the examination is.
type Progress struct {
	W    io.Writer
	All  int
	done int
}

const barWidth = 30

// Step moves the bar on.
func (p *Progress) Step(r doctor.Result) {
	p.done++
	full := barWidth * p.done / p.All
	bar := strings.Repeat("#", full) + strings.Repeat(".", barWidth-full)
	fmt.Fprintf(p.W, "\r\x1b[K[%s] %d of %d  %s: %v", bar, p.done, p.All, r.Probe, r.Verdict) //nolint:errcheck // it is for the eye
	if p.done == p.All {
		io.WriteString(p.W, "\r\x1b[K") //nolint:errcheck // the same
	}
}
