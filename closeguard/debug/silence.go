package debug

import (
	"fmt"
	"slices"
	"time"
)

// limit is after how long without traffic some proxies end a connection.
type limit struct {
	after time.Duration
	such  string
}

var limits = []limit{
	{60 * time.Second, "nginx’s proxy_read_timeout or an AWS load balancer’s idle timeout"},
	{100 * time.Second, "Cloudflare’s"},
	{300 * time.Second, "Envoy’s stream_idle_timeout"},
	{600 * time.Second, "the connection tracking of Google Cloud"},
}

// silence is a limit at which many dropped connections had been silent.
type silence struct {
	Seconds int    `json:"seconds"`
	Count   int    `json:"count"`
	Of      int    `json:"of"`
	Words   string `json:"words"`

	Rest string `json:"-"` // of the words, behind the numbers
}

// worthTelling: fewer than three, or one in ten, may be chance.
func (s silence) worthTelling() bool { return s.Count >= 3 && s.Count*10 >= s.Of }

// silences are the limits at which the dropped connections had been silent. What the
// program itself ended, by a deadline or a limit, is not counted.
func silences(events []*record) []silence {
	idle := []time.Duration{}
	for _, r := range events {
		if r.Event == "dropped" && slices.Contains(transportCauses, r.Cause) {
			idle = append(idle, time.Duration(r.Idle))
		}
	}
	found := []silence{}
	for _, l := range limits {
		s := silence{Seconds: int(l.after / time.Second), Of: len(idle)}
		for _, d := range idle {
			if d >= l.after-max(time.Second, l.after/100) && d <= l.after+max(2*time.Second, l.after/50) {
				s.Count++
			}
		}
		if s.worthTelling() {
			s.Rest = fmt.Sprintf("dropped connections had been silent for %d s: a proxy’s idle limit, such as %s. A PingInterval below that keeps them open.", s.Seconds, l.such)
			s.Words = fmt.Sprintf("%d of %d %s", s.Count, s.Of, s.Rest)
			found = append(found, s)
		}
	}
	return found
}
