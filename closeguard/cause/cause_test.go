package cause_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/closeguard/ws/closeguard/cause"
)

// Metrics have the words as labels: each is there once, and is nothing but a word.
func TestWords(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := make(map[string]cause.Cause)
	for i, c := range cause.All() {
		if int(c) != i {
			t.Errorf("All()[%d] is %d", i, c)
		}
		if !word.MatchString(c.String()) {
			t.Errorf("%d is %q", c, c)
		}
		if other, twice := seen[c.String()]; twice {
			t.Errorf("%d and %d are both %q", other, c, c)
		}
		seen[c.String()] = c
	}
	if got := cause.All()[len(seen)-1]; got != cause.Abandoned {
		t.Errorf("the last one is %v, and not that of the list", got)
	}
	if got := cause.Cause(200).String(); got != "unknown" {
		t.Errorf("what there isn't is %q", got)
	}
}

// Four causes are TCP's own end.
func TestOfTransport(t *testing.T) {
	own := []cause.Cause{cause.EOF, cause.Reset, cause.TLS, cause.Transport}
	for _, c := range cause.All() {
		if got := c.OfTransport(); got != slices.Contains(own, c) {
			t.Errorf("%v: %t", c, got)
		}
	}
}
