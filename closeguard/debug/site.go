package debug

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// site is what Handler serves.
type site struct {
	page  *Page
	guard *closeguard.Guard
}

// content is what a view has to show: JSON is its data, HTML a template for each of its
// sections. Those that are live are sent again when they change.
type content struct {
	title       string
	data        any
	fixed, live []string
	missing     bool // what was asked for isn't there
}

// views are the pages by the last element of their paths. The first one's is empty.
var views = map[string]func(*site, *query) content{
	"":            (*site).overview,
	"connections": (*site).connections,
	"events":      (*site).events,
	"connection":  (*site).story,
}

const indexJSON = "index.json"

//go:embed page.html style.css script.js icon.svg
var files embed.FS

var assets = map[string]string{
	"style.css": "text/css; charset=utf-8",
	"script.js": "text/javascript; charset=utf-8",
	"icon.svg":  "image/svg+xml",
}

// policy allows the page its own files and nothing else.
var policy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"img-src 'self'",
	"connect-src 'self'",
	"form-action 'self'",
	"base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")

// ServeHTTP goes by what follows the path's last slash: all links are relative, and
// the page may be mounted anywhere.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	stopping := s.page.viewers.stopping(r)
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if name == "kick" && s.page.opts.Kick != nil {
		s.kick(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		s.fail(w, http.StatusMethodNotAllowed, "This page is read-only.")
		return
	}
	q := &query{values: r.URL.Query()}
	if contentType, ok := assets[name]; ok {
		file, _ := files.ReadFile(name) // it was there when this was built
		answer(w, http.StatusOK, contentType, file)
		return
	}
	if name == "live" {
		s.live(w, r, q, stopping)
		return
	}
	viewName, asJSON := strings.CutSuffix(name, ".json")
	if name == indexJSON {
		viewName = ""
	} else if asJSON && viewName == "" {
		viewName = "none"
	}
	view, ok := views[viewName]
	if !ok {
		s.fail(w, http.StatusNotFound, "There is no such page. If this is where the page is mounted: its path ends with a slash.")
		return
	}
	c := view(s, q)
	switch {
	case q.bad != nil:
		s.fail(w, http.StatusBadRequest, q.bad.Error())
	case asJSON:
		s.answerJSON(w, &c)
	default:
		s.answerHTML(w, viewName, &c, q)
	}
}

func (c *content) status() int {
	if c.missing {
		return http.StatusNotFound
	}
	return http.StatusOK
}

func (s *site) answerJSON(w http.ResponseWriter, c *content) {
	text, err := toJSON(c.data)
	if err != nil {
		s.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, c.status(), "application/json", append(text, '\n'))
}

// sheet is what the frame around a view's sections is made of.
type sheet struct {
	Title    string
	View     string
	JSON     string // the link to it
	Live     string // what the script asks for, "" if nothing changes
	Sections []section
	Zone     string
}

// section is a part of a page.
type section struct {
	ID   string
	Live bool
	HTML template.HTML
}

func (s *site) answerHTML(w http.ResponseWriter, view string, c *content, q *query) {
	sh := sheet{Title: c.title, View: view, Zone: time.Now().Format("MST (UTC-07:00)")}
	sh.JSON = cmp.Or(view, "index") + ".json" + q.with()
	if len(c.live) > 0 && !c.missing {
		sh.Live = "live" + q.with("view", view)
	}
	for _, id := range append(c.fixed, c.live...) {
		html, err := render(id, c.data)
		if err != nil {
			s.fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		sh.Sections = append(sh.Sections, section{id, len(sh.Sections) >= len(c.fixed), html})
	}
	s.answerSheet(w, c.status(), &sh)
}

func (s *site) answerSheet(w http.ResponseWriter, status int, sh *sheet) {
	html, err := render("sheet", sh)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, status, "text/html; charset=utf-8", []byte(html))
}

// fail answers with a page that says what is wrong.
func (s *site) fail(w http.ResponseWriter, status int, words string) {
	html, err := render("failed", words)
	if err != nil {
		html = ""
	}
	s.answerSheet(w, status, &sheet{Title: http.StatusText(status), View: "none", Sections: []section{{ID: "failed", HTML: html}}})
}

func answer(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client is gone
}

// Whatever a template shows of what others chose goes through "see".
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"see":       visible,
	"age":       age,
	"clock":     clock,
	"exactly":   func(t time.Time) string { return t.Format("15:04:05.000") },
	"stamp":     func(t time.Time) string { return t.Format(time.RFC3339) },
	"kindName":  func(kind string) string { return kindNames[kind] },
	"kindNames": func() []string { return eventKinds },
	"causes":    func() []string { return causeNames },
	"link":      func(view string, pairs ...any) string { return link(view, pairs) },
	"quoted":    quoted,
}).ParseFS(files, "page.html"))

func render(name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, name, data)
	return template.HTML(b.String()), err
}

var kindNames = map[string]string{
	"":             "any",
	"opened":       "opened",
	"refused":      "refused",
	"ended":        "ended, whoever began",
	"peer_closed":  "closed by peer",
	"local_closed": "closed here",
	"dropped":      "dropped",
}

// link leads to a view with a query.
func link(view string, pairs []any) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1]))
	}
	return view + "?" + v.Encode()
}

// With is the view's own address with other values.
func (b base) With(view string, pairs ...any) string {
	var values []string
	for _, p := range pairs {
		values = append(values, fmt.Sprint(p))
	}
	return cmp.Or(view, "./") + b.query.with(values...)
}

// Value is what the query has for a name, as it is shown.
func (b base) Value(name string) string { return visibleQuery(b.query.text(name)) }

// visibleQuery leaves out of a filter what can't be seen: it matches what is shown.
func visibleQuery(s string) string {
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// clock is a time of day, with the date if that isn't today.
func clock(t time.Time) string {
	layout := "15:04:05"
	if t.Format(time.DateOnly) != time.Now().Format(time.DateOnly) {
		layout = "2 Jan 15:04:05"
	}
	return t.Format(layout)
}

// age is a duration as people say it.
func age(m millis) string {
	d := time.Duration(m)
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(d, 0).Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
	}
}
