package debug

import (
	"slices"
	"time"
)

// eventsView is what the view of the last events shows.
type eventsView struct {
	base
	about `json:"-"`
	Kind  string `json:"-"`
	Cause string `json:"-"`
	Code  int64  `json:"-"`

	Kept    int       `json:"kept"`
	Matched int       `json:"matched"`
	Events  []*record `json:"events"`
	Next    uint64    `json:"next,omitempty"` // the value of "from" for those that follow
	Limit   int       `json:"-"`
}

// Self is for the link to the next page.
func (v *eventsView) Self() string { return "events" }

var eventKinds = []string{"", "opened", "refused", "ended", "peer_closed", "local_closed", "dropped"}

func (s *site) events(q *query) content {
	v := &eventsView{
		base:   s.base(q, time.Now()),
		about:  q.about(),
		Kind:   q.oneOf("kind", eventKinds...),
		Cause:  q.oneOf("cause", causeNames...),
		Code:   q.number("code", 0, 4999),
		Events: []*record{},
	}
	from := q.number("from", 1<<62, 1<<62)
	v.Limit = int(q.number("limit", 50, maxRows))
	all := s.page.events()
	v.Kept = len(all)
	for _, r := range all {
		if !v.matches(r) {
			continue
		}
		v.Matched++
		switch {
		case r.Seq > uint64(from):
		case len(v.Events) < v.Limit:
			v.Events = append(v.Events, r)
		case v.Next == 0:
			v.Next = r.Seq
		}
	}
	return content{title: "Last events", data: v, fixed: []string{"events-filter"}, live: []string{"events"}}
}

func (v *eventsView) matches(r *record) bool {
	switch {
	case v.Kind == "ended" && r.end == nil, v.Kind != "" && v.Kind != "ended" && v.Kind != r.Event:
		return false
	case v.Cause != "" && (r.end == nil || r.Cause != v.Cause):
		return false
	case v.Code != 0 && (r.end == nil || int64(r.Code) != v.Code && !r.has(int(v.Code))):
		return false
	}
	return v.about.matches(&r.who)
}

// has reports whether a Close frame, also one that was intended only, had the code.
func (e *end) has(code int) bool {
	return slices.ContainsFunc([]*frame{e.Sent, e.Received, e.Intended}, func(f *frame) bool { return f != nil && f.Code == code })
}
