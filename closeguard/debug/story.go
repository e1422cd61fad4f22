package debug

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// storyView is all that is known of one connection.
type storyView struct {
	base
	Number uint64  `json:"conn"`
	Who    *who    `json:"who,omitempty"`
	Live   *conn   `json:"live,omitempty"` // nil: it isn't open
	Ended  *record `json:"ended,omitempty"`
	Steps  []step  `json:"steps"`
	Kept   int     `json:"-"`
}

// step is something that happened to a connection.
type step struct {
	Time  time.Time `json:"time"`
	About bool      `json:"about,omitempty"` // the time is not known exactly
	What  string    `json:"what"`
	Words string    `json:"words,omitempty"`
}

func (s *site) story(q *query) content {
	now := time.Now()
	v := &storyView{base: s.base(q, now), Number: uint64(q.number("number", 0, 1<<62)), Kept: s.page.opts.Events, Steps: []step{}}
	for c := range s.guard.Connections() {
		if c.Number == v.Number {
			live := s.conn(&c, now)
			v.Live, v.Who = &live, &live.who
			break
		}
	}
	var opened *record
	for _, r := range s.page.events() {
		if r.Number != v.Number || r.kind == refusal {
			continue
		}
		if r.kind == opening {
			opened = r
		} else if v.Live == nil {
			v.Ended = r
		}
		if v.Who == nil || r == v.Ended {
			v.Who = &r.who
		}
	}
	v.tell(opened)
	return content{title: fmt.Sprintf("Connection %d", v.Number), data: v, live: []string{"story"}, missing: v.Who == nil}
}

// tell puts together the steps, in order.
func (v *storyView) tell(opened *record) {
	switch {
	case opened != nil:
		v.add(opened.Time, false, "opened", "the 101 was seen")
	case v.Live != nil:
		v.add(v.Live.Opened, false, "opened", "the 101 was seen")
	case v.Ended != nil:
		v.add(v.Ended.Time.Add(-time.Duration(v.Ended.Duration)), true, "opened", "its event isn’t kept any more")
	}
	if c := v.Live; c != nil {
		if c.Heard != c.Opened {
			v.add(c.Heard, false, "heard", "the peer’s last byte so far")
		}
		if c.Pinged != nil {
			v.add(*c.Pinged, false, "pinged", "the guard’s ping left, and nothing has come since")
		}
		if c.End != nil {
			v.tellFrames(c.End, v.Now)
		}
	}
	if r := v.Ended; r != nil {
		v.add(r.Time.Add(-time.Duration(r.Idle)), true, "heard", "the peer’s last byte")
		v.tellFrames(r.end, r.Time)
		v.add(r.Time, false, "ended", r.Words)
	}
	slices.SortStableFunc(v.Steps, func(a, b step) int { return a.Time.Compare(b.Time) })
}

// KickKeys are the keys by which connections can be closed: those that are whole.
func (v *storyView) KickKeys() []string {
	return slices.DeleteFunc(slices.Clone(v.Who.Keys), func(k string) bool { return strings.HasSuffix(k, "…") })
}

func (v *storyView) add(at time.Time, about bool, what, words string) {
	v.Steps = append(v.Steps, step{at, about, what, words})
}

// tellFrames tells the Close frames that crossed until then. When the first one did is
// known; the answer, and what dropped connections still sent, came at some time behind
// it.
func (v *storyView) tellFrames(e *end, until time.Time) {
	began := until.Add(-time.Duration(e.Handshake))
	sent, received := "sent", "received"
	switch e.Ending {
	case "peer_closed":
		v.addFrame(began, e.Received, received, "the peer’s came first")
		v.addFrame(began, e.Sent, sent, "the answer, at some time until the end")
	case "local_closed":
		v.addFrame(began, e.Sent, sent, "ours came first")
		v.addFrame(began, e.Received, received, "the answer, at some time until the end")
	default:
		v.addFrame(until, e.Sent, sent, "when the peer’s stream had ended")
		v.addFrame(until, e.Received, received, "")
	}
	v.addFrame(began, e.Intended, "intended", "not sent like that: it was illegal, or could not leave")
}

func (v *storyView) addFrame(at time.Time, f *frame, which, words string) {
	if f == nil {
		return
	}
	v.add(at, true, "Close "+which, f.String()+": "+words)
}

// String is the frame as people write it.
func (f *frame) String() string {
	if f.Reason == "" {
		return fmt.Sprint(f.Code)
	}
	return fmt.Sprintf("%d “%s”", f.Code, f.Reason)
}
