package report

import (
	_ "embed"
	"html/template"
	"io"

	"github.com/closeguard/ws/cmd/closeguard/internal/doctor"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Page writes a page that needs nothing else.
func Page(w io.Writer, url string, results []doctor.Result) error {
	return page.Execute(w, struct {
		URL     string
		Results []doctor.Result
		Opinion doctor.Opinion
	}{url, results, doctor.Judge(results)})
}
