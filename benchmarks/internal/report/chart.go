package report

import (
	"fmt"
	"html"
	"strings"
)

const (
	chartWidth = 760
	labelWidth = 210
	barHeight  = 11
	groupGap   = 12
	top        = 70
)

// Chart draws how many of a section's runs ended right, a group of bars for
// each scenario.
func (s Section) Chart() string {
	var scenarios []string
	groups := map[string][]Bar{}
	for _, b := range s.Bars {
		if groups[b.Scenario] == nil {
			scenarios = append(scenarios, b.Scenario)
		}
		groups[b.Scenario] = append(groups[b.Scenario], b)
	}
	height := top + 30
	for _, name := range scenarios {
		height += len(groups[name])*barHeight + groupGap
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="11" role="img">`+"\n", chartWidth, height)
	b.WriteString("<title>Share of connections whose client saw the intended code, reason and a clean end</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, height)
	text := func(x, y int, style, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, style, html.EscapeString(s))
	}
	text(10, 22, `font-size="15" font-weight="600" fill="#1f2328"`, "Close codes that arrive")
	text(10, 40, `fill="#57606a"`, "Share of runs in which the client saw the intended code and reason and a clean end, over all clients")
	for i, kind := range []Kind{Guarded, Bare, Yardstick} {
		fmt.Fprintf(&b, `<rect x="%d" y="50" width="10" height="10" fill="%s"/>`+"\n", labelWidth+120+i*90, colors[kind])
		text(labelWidth+134+i*90, 59, `fill="#1f2328"`, string(kind))
	}
	const left, right = labelWidth + 120, chartWidth - 50
	y := top
	for _, name := range scenarios {
		bars := groups[name]
		text(10, y+len(bars)*barHeight/2+4, `font-weight="600" fill="#1f2328"`, name)
		for _, bar := range bars {
			share := 0.0
			if bar.Runs > 0 {
				share = float64(bar.Right) / float64(bar.Runs)
			}
			text(left-6, y+9, `text-anchor="end" font-size="9" fill="#57606a"`, bar.Server)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#f0f2f4"/>`+"\n", left, y+1, right-left, barHeight-2)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y+1, share*float64(right-left), barHeight-2, colors[bar.Kind])
			text(right+6, y+9, `font-size="9" fill="#1f2328"`, fmt.Sprintf("%.0f %%", 100*share))
			y += barHeight
		}
		y += groupGap
	}
	footer, _, _ := strings.Cut(s.Machine, ", coder/") // the versions are on the page
	text(10, height-10, `font-size="8" fill="#57606a"`, footer+". Uploads and floods: no clean end is asked of Chromium.")
	b.WriteString("</svg>\n")
	return b.String()
}

var colors = map[Kind]string{Guarded: "#1a7f37", Bare: "#cf222e", Yardstick: "#8c959f"}
