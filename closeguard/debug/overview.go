package debug

import (
	"slices"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// causeNames are the causes there are, and before them none at all; transportCauses those
// with which TCP ended by itself.
var causeNames, transportCauses = func() (all, transport []string) {
	all = append(all, "")
	for _, c := range cause.All() {
		all = append(all, c.String())
		if c.OfTransport() {
			transport = append(transport, c.String())
		}
	}
	return all, transport
}()

// base is what every view shows.
type base struct {
	Now     time.Time `json:"now"`
	Stats   stats     `json:"stats"`
	Drain   *drain    `json:"drain,omitempty"`
	MayKick bool      `json:"-"`
	query   *query
}

// stats is a [closeguard.Stats] as JSON has it.
type stats struct {
	Opened      uint64 `json:"opened"`
	Open        int    `json:"open"`
	Closing     int    `json:"closing"`
	Draining    int    `json:"draining"`
	PeerClosed  uint64 `json:"peer_closed"`
	LocalClosed uint64 `json:"local_closed"`
	Dropped     uint64 `json:"dropped"`
}

func (s *site) base(q *query, now time.Time) base {
	of := s.guard.Stats()
	counts := stats{of.Opened, of.Open, of.Closing, of.Draining, of.PeerClosed, of.LocalClosed, of.Dropped}
	return base{Now: now, Stats: counts, Drain: s.drain(of, now), MayKick: s.page.opts.Kick != nil, query: q}
}

// drainSeen is what the last Progress told.
type drainSeen struct {
	at     time.Time // zero: there was none
	open   int
	report closeguard.Report
}

// drain is how far a shutdown is.
type drain struct {
	Open     int    `json:"open"`
	Ended    int    `json:"ended"`
	Of       int    `json:"of"` // 0: not told yet
	Took     millis `json:"took_ms"`
	Report   report `json:"report"`
	ToldAt   millis `json:"told_ago_ms"`
	Progress bool   `json:"-"` // it was told
}

// report is a [closeguard.Report] as JSON has it.
type report struct {
	Answered   int `json:"answered"`
	PeerFirst  int `json:"peer_first"`
	Unanswered int `json:"unanswered"`
	Unsent     int `json:"unsent"`
	Dropped    int `json:"dropped"`
	Aborted    int `json:"aborted"`
}

// drain is nil if the guard isn't shutting down. How many are left is known at every
// moment; of those that have ended the guard tells once a second.
func (s *site) drain(now closeguard.Stats, at time.Time) *drain {
	if !s.isDraining() {
		return nil
	}
	s.page.mu.Lock()
	seen := s.page.drain
	s.page.mu.Unlock()
	d := &drain{Open: now.Draining}
	if seen.at.IsZero() {
		return d
	}
	r := seen.report
	d.Progress = true
	d.Of = max(seen.open+r.Total(), d.Open)
	d.Ended = d.Of - d.Open
	d.Took = millis(r.Duration)
	d.ToldAt = millis(at.Sub(seen.at))
	d.Report = report{r.Answered, r.PeerFirst, r.Unanswered, r.Unsent, r.Dropped, r.Aborted}
	return d
}

// overviewView is the first page.
type overviewView struct {
	base
	Silences []silence `json:"silences"`
	Chart    chart     `json:"endings"`
	Silent   found     `json:"most_silent"`
	Last     []*record `json:"last_endings"`
}

// few is how many of a list the overview shows.
const few = 8

func (s *site) overview(q *query) content {
	now := time.Now()
	v := &overviewView{base: s.base(q, now), Last: []*record{}}
	v.Chart = s.page.chart(q, now)
	v.Silent = s.find(&listing{Order: silent, from: place{by: -1 << 63}, limit: few}, now)
	events := s.page.events()
	v.Silences = silences(events)
	for _, r := range events {
		if r.kind == ending && len(v.Last) < few {
			v.Last = append(v.Last, r)
		}
	}
	return content{title: "WebSockets", data: v, live: []string{"summary", "chart", "last", "silent"}}
}

// chart is endings over time, as counts and as what the SVG is made of.
type chart struct {
	Span   string    `json:"span"`
	By     string    `json:"by"`
	Width  int       `json:"bucket_seconds"`
	Until  time.Time `json:"until"` // the end of the last bucket
	Total  int       `json:"total"`
	Series []series  `json:"series"`
}

func (p *Page) chart(q *query, now time.Time) chart {
	span := slices.IndexFunc(spans[:], func(s span) bool { return s.Name == q.oneOf("span", spans[0].Name, spans[1].Name, spans[2].Name) })
	c := chart{Span: spans[span].Name, By: q.oneOf("by", "cause", "code"), Width: int(spans[span].width / time.Second)}
	c.Until = now.Truncate(spans[span].width).Add(spans[span].width)
	p.mu.Lock()
	c.Series = p.endings.over(span, c.By == "code", now)
	p.mu.Unlock()
	for _, s := range c.Series {
		c.Total += s.Total
	}
	return c
}
