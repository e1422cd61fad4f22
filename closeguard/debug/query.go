package debug

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// query is what a request asks a view for.
type query struct {
	values url.Values
	bad    error // the first value that makes no sense
}

// maxQuery is how many bytes of a value count.
const maxQuery = 512

// text is a value as it is shown.
func (q *query) text(name string) string {
	s := strings.TrimSpace(q.values.Get(name))
	return s[:min(len(s), maxQuery)]
}

// oneOf is a value of a list, of which the first is the default.
func (q *query) oneOf(name string, choices ...string) string {
	s := q.text(name)
	if slices.Contains(choices, s) {
		return s
	}
	if s != "" {
		q.fail(name, s, "must be one of "+strings.Join(choices, ", "))
	}
	return choices[0]
}

// number is a whole number from 0 to most.
func (q *query) number(name string, usual, most int64) int64 {
	s := q.text(name)
	if s == "" {
		return usual
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most {
		q.fail(name, s, fmt.Sprintf("must be a whole number from 0 to %d", most))
		return usual
	}
	return n
}

// seconds is a duration; a number alone is seconds.
func (q *query) seconds(name string) time.Duration {
	s := q.text(name)
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		q.fail(name, s, "must be seconds, or a time such as 5m")
	}
	return max(d, 0)
}

func (q *query) fail(name, value, rule string) {
	if q.bad == nil {
		q.bad = fmt.Errorf("%s is %s: %s", name, visible(value), rule)
	}
}

// names are those that a link takes over.
var names = []string{"span", "by", "kind", "cause", "code", "state", "order", "idle", "age", "route", "remote", "key", "attr", "from", "limit", "number"}

// with is the query with other values, as a link's.
func (q *query) with(pairs ...string) string {
	v := url.Values{}
	for _, name := range names {
		if s := q.text(name); s != "" {
			v.Set(name, s)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// about says which connections are asked for. A text matches where it stands in the
// other as the page shows it, whatever case its letters have; an empty one always.
type about struct{ Route, Remote, Key, Attr string }

func (q *query) about() about {
	return about{q.text("route"), q.text("remote"), q.text("key"), q.text("attr")}
}

func (a about) any() bool { return a != about{} }

func (a about) matches(w *who) bool {
	return isIn(a.Route, w.Route) && isIn(a.Remote, w.Remote) &&
		(a.Key == "" || slices.ContainsFunc(w.Keys, func(k string) bool { return isIn(a.Key, k) })) &&
		(a.Attr == "" || slices.ContainsFunc(w.Attrs, func(at attr) bool { return isIn(a.Attr, at.Key+"="+at.Value) }))
}

// isIn reports whether part is in what is shown of s.
func isIn(part, s string) bool {
	return part == "" || strings.Contains(strings.ToLower(visible(s)), strings.ToLower(part))
}
