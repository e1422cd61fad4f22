package debug

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/closeguard/ws/closeguard"
)

// kind says in which ring an event is kept: so many of one kind don't push out others.
type kind int

const (
	opening kind = iota
	refusal
	ending
	kinds
)

// record is an event as the page keeps it. Its strings are its own and of limited
// length: nothing of the program's stays in memory because of it. Nobody changes one
// after it was added.
type record struct {
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Event string    `json:"event"` // opened, refused, peer_closed, local_closed or dropped
	who
	Status int    `json:"status,omitempty"` // of a refusal
	Err    string `json:"err,omitempty"`
	*end

	kind kind
}

// who is a connection.
type who struct {
	Number      uint64   `json:"conn,omitempty"`
	Role        string   `json:"role"`
	Guarded     bool     `json:"guarded"`
	Remote      string   `json:"remote,omitempty"`
	Route       string   `json:"route,omitempty"`
	Path        string   `json:"path,omitempty"`
	Subprotocol string   `json:"subprotocol,omitempty"`
	Offered     string   `json:"offered,omitempty"`
	Keys        []string `json:"keys,omitempty"`
	Attrs       []attr   `json:"attrs,omitempty"`
}

type attr struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// end is what is known of an end.
type end struct {
	Ending    string `json:"ending"` // peer_closed, local_closed or dropped
	Code      int    `json:"code"`
	Name      string `json:"name,omitempty"`
	Cause     string `json:"cause"`
	Clean     bool   `json:"clean"`
	Answered  bool   `json:"answered"`
	Sent      *frame `json:"sent,omitempty"`
	Received  *frame `json:"received,omitempty"`
	Intended  *frame `json:"intended,omitempty"`
	Words     string `json:"words"`
	Duration  millis `json:"duration_ms"`
	Idle      millis `json:"idle_ms"`
	Handshake millis `json:"handshake_ms,omitempty"`
}

// millis is a duration that is a number of milliseconds in JSON.
type millis time.Duration

// MarshalJSON rounds down.
func (m millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Duration(m).Milliseconds(), 10), nil
}

// Ended reports whether the event is an end.
func (r *record) Ended() bool { return r.end != nil }

// frame is a Close frame.
type frame struct {
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// What is kept of a connection's own words.
const (
	maxText = 256  // bytes of a string
	maxErr  = 1024 // bytes of an error, or of an end in words
	maxList = 16   // attributes, and keys
)

func recordOf(ev closeguard.Event, now time.Time) *record {
	r := &record{Time: now, who: whoIs(ev.Connection())}
	switch e := ev.(type) {
	case *closeguard.Opened:
		r.Event, r.kind = "opened", opening
	case *closeguard.Refused:
		r.Event, r.kind, r.Status = "refused", refusal, e.Status
		r.Err, _ = told(ev)
	case closeguard.CloseEvent:
		r.Event, r.kind = e.Kind(), ending
		r.end = endOf(e)
		r.Err, r.Name = told(ev)
	}
	return r
}

func whoIs(info closeguard.ConnInfo) who {
	w := who{
		Number:      info.Number,
		Role:        info.Role.String(),
		Guarded:     info.Guarded,
		Remote:      kept(info.Remote, maxText),
		Route:       kept(info.Route, maxText),
		Path:        kept(info.Path, maxText),
		Subprotocol: kept(info.Subprotocol, maxText),
		Offered:     kept(strings.Join(info.Offered, ", "), maxText),
	}
	for i, k := range info.Keys {
		if i == maxList {
			w.Keys = append(w.Keys, "…")
			break
		}
		w.Keys = append(w.Keys, kept(k, maxText))
	}
	for i, a := range info.Attrs {
		if i == maxList {
			w.Attrs = append(w.Attrs, attr{Key: "…"})
			break
		}
		w.Attrs = append(w.Attrs, attr{kept(a.Key, maxText), kept(a.Value.Resolve().String(), maxText)})
	}
	return w
}

func endOf(ev closeguard.CloseEvent) *end {
	e := ev.End()
	return &end{
		Ending:    ev.Kind(),
		Code:      int(ev.Code()),
		Cause:     ev.Cause().String(),
		Clean:     ev.Clean(),
		Answered:  e.Answered(),
		Sent:      frameOf(e.Sent),
		Received:  frameOf(e.Received),
		Intended:  frameOf(e.Intended),
		Words:     kept(ev.Error(), maxErr),
		Duration:  millis(e.Duration),
		Idle:      millis(e.Idle),
		Handshake: millis(e.Handshake),
	}
}

func frameOf(f *closeguard.CloseFrame) *frame {
	if f == nil {
		return nil
	}
	return &frame{int(f.Code), kept(f.Reason, maxText)}
}

// told is what an event's log line says of its error, and of its code's name.
func told(ev closeguard.Event) (err, name string) {
	for _, a := range ev.LogValue().Group() {
		switch {
		case a.Value.Kind() != slog.KindString:
		case a.Key == "err":
			err = kept(a.Value.String(), maxErr)
		case a.Key == "name":
			name = kept(a.Value.String(), maxText)
		}
	}
	return err, name
}

// kept is s in memory of its own, cut before the character that doesn't fit.
func kept(s string, n int) string {
	if len(s) <= n {
		return strings.Clone(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// ring is the last events of a kind.
type ring struct {
	records []*record
	next    int // where the oldest is, once it is full
}

func (r *ring) add(rec *record, size int) {
	if len(r.records) < size {
		r.records = append(r.records, rec)
		return
	}
	r.records[r.next] = rec
	r.next = (r.next + 1) % size
}

// events are those that are kept, newest first.
func (p *Page) events() []*record {
	p.mu.Lock()
	var all []*record
	for i := range p.rings {
		all = append(all, p.rings[i].records...)
	}
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b *record) int { return cmp.Compare(b.Seq, a.Seq) })
	return all
}
