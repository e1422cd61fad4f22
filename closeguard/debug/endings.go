package debug

import (
	"slices"
	"strconv"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/closeguard/cause"
)

// span is a stretch of time that the chart shows in buckets.
type span struct {
	Name  string
	Words string
	width time.Duration // of a bucket
}

const buckets = 60

var spans = [...]span{
	{"5m", "5 minutes", 5 * time.Second},
	{"1h", "1 hour", time.Minute},
	{"24h", "24 hours", 24 * time.Minute},
}

// tally counts endings by cause and by code, each in one place.
type tally struct {
	causes [causes]uint32
	codes  [slots]uint32
}

const (
	causes     = 32 // more than there are
	slots      = 32
	other      = slots - 1 // of codes, for all that have no slot of their own
	peersSlots = 8         // that codes may take which only peers have sent
)

// endings counts what ended in each bucket. Its memory is fixed: peers choose codes,
// and only a few of theirs get a slot.
type endings struct {
	codes [other]closeguard.Code // of the slots; 0: it is free
	peers int                    // slots taken for codes that peers sent

	spans [len(spans)]struct {
		newest  int64 // the number of the newest bucket, as Unix time in widths
		buckets [buckets]tally
	}
}

// begin gives the registered codes their slots.
func (e *endings) begin() {
	copy(e.codes[:], []closeguard.Code{1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
}

func (e *endings) count(ev closeguard.CloseEvent, now time.Time) {
	_, theirs := ev.(*closeguard.PeerClosed)
	slot := e.slot(ev.Code(), theirs)
	for i := range spans {
		t := e.bucket(i, now)
		t.causes[min(int(ev.Cause()), causes-1)]++
		t.codes[slot]++
	}
}

func (e *endings) slot(code closeguard.Code, theirs bool) int {
	if i := slices.Index(e.codes[:], code); i >= 0 {
		return i
	}
	free := slices.Index(e.codes[:], 0)
	if free < 0 || theirs && e.peers == peersSlots {
		return other
	}
	if theirs {
		e.peers++
	}
	e.codes[free] = code
	return free
}

// bucket is a span's bucket of now. Those that were skipped are empty.
func (e *endings) bucket(span int, now time.Time) *tally {
	s := &e.spans[span]
	n := now.UnixNano() / int64(spans[span].width)
	for ; s.newest < n; s.newest++ {
		if s.newest < n-buckets {
			s.newest = n - buckets
		}
		s.buckets[(s.newest+1)%buckets] = tally{}
	}
	return &s.buckets[n%buckets] // the clock may have been put back: then an old one counts more
}

// series is how many endings of one kind there were in each bucket, oldest first.
type series struct {
	id     int      // of the cause or the code's slot
	Colour int      `json:"-"` // of those that are shown
	Name   string   `json:"name"`
	Words  string   `json:"-"`
	Total  int      `json:"total"`
	Counts []uint32 `json:"counts"`
}

// over is what ended in a span, by code or by cause, most first.
func (e *endings) over(span int, byCode bool, now time.Time) []series {
	e.bucket(span, now)
	s := &e.spans[span]
	count := func(id int, name, words string, of func(*tally) uint32) (all series) {
		all = series{id: id, Name: name, Words: words, Counts: make([]uint32, buckets)}
		for i := range all.Counts {
			all.Counts[i] = of(&s.buckets[(s.newest+1+int64(i))%buckets])
			all.Total += int(all.Counts[i])
		}
		return all
	}
	var found []series
	if byCode {
		for i, code := range e.codes {
			if code != 0 {
				found = append(found, count(i, strconv.Itoa(int(code)), code.Name(), func(t *tally) uint32 { return t.codes[i] }))
			}
		}
		found = append(found, count(other, "other", "codes", func(t *tally) uint32 { return t.codes[other] }))
	} else {
		for _, c := range cause.All() {
			words := ""
			if c == cause.None {
				words = "by Close frames alone"
			}
			found = append(found, count(int(c), c.String(), words, func(t *tally) uint32 { return t.causes[min(int(c), causes-1)] }))
		}
	}
	found = slices.DeleteFunc(found, func(s series) bool { return s.Total == 0 })
	slices.SortStableFunc(found, func(a, b series) int { return b.Total - a.Total })
	return found
}
