package debug

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// kickWait is how long a kick's answer waits for the endings.
const kickWait = 10 * time.Second

// kicked is what a kick came to.
type kicked struct {
	Whom   string
	Report string
	Going  bool // some go on
	Err    string
}

// kick closes one connection, or all that have a key.
func (s *site) kick(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		s.fail(w, http.StatusMethodNotAllowed, "Kicking is a POST.")
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		s.fail(w, http.StatusForbidden, "Another site has sent this request.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		s.fail(w, http.StatusBadRequest, "The form can’t be read.")
		return
	}
	if !s.page.opts.Kick(r) {
		s.fail(w, http.StatusForbidden, "You may not close connections.")
		return
	}
	q := &query{values: r.PostForm}
	number, code := q.number("number", 0, 1<<62), q.number("code", int64(closeguard.PolicyViolation), 4999)
	key, err := unquoted(r.PostForm.Get("key"))
	switch {
	case q.bad != nil:
		s.fail(w, http.StatusBadRequest, q.bad.Error())
		return
	case err != nil || (number == 0) == (key == ""):
		s.fail(w, http.StatusBadRequest, "Whom? It takes a number, or a key.")
		return
	}
	frame := closeguard.CloseFrame{Code: closeguard.Code(code), Reason: r.PostForm.Get("reason")}
	var result kicked
	var report closeguard.Report
	ctx, cancel := context.WithTimeout(r.Context(), kickWait)
	defer cancel()
	if number != 0 {
		result.Whom = "Connection " + strconv.FormatInt(number, 10)
		report, err = s.guard.CloseFunc(ctx, func(i closeguard.ConnInfo) bool { return i.Number == uint64(number) }, frame)
	} else {
		result.Whom = "Connections with the key " + key
		report, err = s.guard.CloseKey(ctx, key, frame)
	}
	status := http.StatusOK
	if result.Going = ctx.Err() != nil; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		status, result.Err = http.StatusBadRequest, err.Error()
	}
	result.Report = report.String()
	html, err := render("kicked", result)
	if err != nil {
		s.fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.answerSheet(w, status, &sheet{Title: "Kicked", View: "none", Sections: []section{{ID: "kicked", HTML: html}}})
}

// quoted is a key as a form has it, whatever is in it. One that is typed has no quotes.
func quoted(key string) string { return strconv.QuoteToASCII(key) }

func unquoted(key string) (string, error) {
	if strings.HasPrefix(key, `"`) {
		return strconv.Unquote(key)
	}
	return key, nil
}
