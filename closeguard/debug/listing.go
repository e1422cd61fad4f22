package debug

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/closeguard/ws/closeguard"
)

// conn is an open connection as a view shows it.
type conn struct {
	who
	State  string     `json:"state"` // open, busy, draining or closing
	Opened time.Time  `json:"opened"`
	Heard  time.Time  `json:"heard"`            // when the peer's last byte came
	Pinged *time.Time `json:"pinged,omitempty"` // when the ping left that nothing has come after
	Age    millis     `json:"age_ms"`
	Idle   millis     `json:"idle_ms"`
	End    *end       `json:"end,omitempty"` // what is known of it so far
}

func (s *site) conn(c *closeguard.OpenConn, now time.Time) conn {
	seen := conn{
		who:    whoIs(c.ConnInfo),
		State:  s.state(c),
		Opened: c.Opened,
		Heard:  c.Heard,
		Age:    millis(now.Sub(c.Opened)),
		Idle:   millis(now.Sub(c.Heard)),
	}
	if !c.Pinged.IsZero() {
		seen.Pinged = &c.Pinged
	}
	if c.End != nil {
		seen.End = endOf(c.End)
	}
	return seen
}

// state is a connection's in one word.
func (s *site) state(c *closeguard.OpenConn) string {
	switch {
	case c.Closing:
		return "closing"
	case s.isDraining():
		return "draining"
	case c.Busy:
		return "busy"
	default:
		return "open"
	}
}

func (s *site) isDraining() bool {
	select {
	case <-s.guard.Draining():
		return true
	default:
		return false
	}
}

// The orders in which connections are listed.
const (
	newest = "newest"
	oldest = "oldest"
	silent = "silent" // longest
)

// listing is a page of the open connections.
type listing struct {
	about
	State string
	Order string
	Idle  time.Duration // they have been silent for so long, at least
	Age   time.Duration // and are so old

	from  place
	limit int
}

// place is where a connection stands in an order: what it is ordered by, and its
// number. That doesn't change while others come and go, so that no page leaves one out.
type place struct {
	by     int64
	number uint64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.by, q.by), cmp.Compare(p.number, q.number))
}

func (p place) String() string { return fmt.Sprintf("%d.%d", p.by, p.number) }

func (q *query) place(name string) (p place) {
	s := q.text(name)
	if s == "" {
		return place{by: -1 << 63}
	}
	by, number, _ := strings.Cut(s, ".")
	var errs [2]error
	p.by, errs[0] = strconv.ParseInt(by, 10, 64)
	p.number, errs[1] = strconv.ParseUint(number, 10, 64)
	if errs != [2]error{} {
		q.fail(name, s, "must be what a link to the next page has")
	}
	return p
}

func (l *listing) place(c *closeguard.OpenConn) place {
	switch l.Order {
	case oldest:
		return place{int64(c.Number), c.Number}
	case silent:
		return place{c.Heard.UnixNano(), c.Number}
	default:
		return place{-int64(c.Number), c.Number}
	}
}

// found is what a listing comes to.
type found struct {
	Open    int    `json:"open"`
	Matched int    `json:"matched"`
	Conns   []conn `json:"connections"`
	Next    string `json:"next,omitempty"` // the value of "from" for those that follow
}

// find goes through the open connections and keeps those of one page.
func (s *site) find(l *listing, now time.Time) found {
	type candidate struct {
		place
		closeguard.OpenConn
	}
	var kept []candidate
	trim := func() {
		slices.SortFunc(kept, func(a, b candidate) int { return a.compare(b.place) })
		clear(kept[min(len(kept), l.limit+1):])
		kept = kept[:min(len(kept), l.limit+1)] // one more, to know whether there is one
	}
	var f found
	for c := range s.guard.Connections() {
		f.Open++
		if !s.matches(l, &c, now) {
			continue
		}
		f.Matched++
		at := l.place(&c)
		if at.compare(l.from) < 0 {
			continue
		}
		if kept = append(kept, candidate{at, c}); len(kept) >= 4*(l.limit+1) {
			trim()
		}
	}
	trim()
	if len(kept) > l.limit {
		f.Next = kept[l.limit].String()
		kept = kept[:l.limit]
	}
	f.Conns = make([]conn, 0, len(kept))
	for i := range kept {
		f.Conns = append(f.Conns, s.conn(&kept[i].OpenConn, now))
	}
	return f
}

func (s *site) matches(l *listing, c *closeguard.OpenConn, now time.Time) bool {
	if now.Sub(c.Heard) < l.Idle || now.Sub(c.Opened) < l.Age || l.State != "" && s.state(c) != l.State {
		return false
	}
	if !l.any() {
		return true
	}
	w := whoIs(c.ConnInfo)
	return l.matches(&w)
}

// connectionsView is what the view of open connections shows.
type connectionsView struct {
	base
	listing `json:"-"`
	found
}

// order is a choice of the form's.
type order struct{ Name, Words string }

// Orders and States are the choices of the form.
func (v *connectionsView) Orders() []order {
	return []order{{newest, "the newest"}, {oldest, "the oldest"}, {silent, "the longest silent"}}
}

func (v *connectionsView) States() []string { return states[1:] }

// Unlisted is how many open connections aren't guarded.
func (v *connectionsView) Unlisted() int { return v.Stats.Open - v.Open }

// Self and Limit are for the link to the next page.
func (v *connectionsView) Self() string { return "connections" }
func (v *connectionsView) Limit() int   { return v.limit }

var states = []string{"", "open", "busy", "draining", "closing"}

func (s *site) connections(q *query) content {
	now := time.Now()
	v := &connectionsView{base: s.base(q, now), listing: listing{
		about: q.about(),
		State: q.oneOf("state", states...),
		Order: q.oneOf("order", newest, oldest, silent),
		Idle:  q.seconds("idle"),
		Age:   q.seconds("age"),
		from:  q.place("from"),
		limit: int(q.number("limit", 50, maxRows)),
	}}
	v.found = s.find(&v.listing, now)
	return content{title: "Open connections", data: v, fixed: []string{"connections-filter"}, live: []string{"connections"}}
}

// maxRows is how many rows a page has at most. Others are on the next one.
const maxRows = 250
