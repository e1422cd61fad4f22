package proxies

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/integration_test/record"
)

// codes are those that one side may send, and one of each end of the ranges
// that have no meaning of their own. 1005 stands for an empty Close.
func codes(role closeguard.Role) (all []int) {
	for code := range closeguard.Code(1016) {
		if code != closeguard.NoStatusReceived && (closeguard.CloseFrame{Code: code}).Validate(role) == nil {
			all = append(all, int(code))
		}
	}
	return append(all, 1005, 3000, 3999, 4000, 4999)
}

// reason is as long as one may be, and not ASCII.
var reason = strings.Repeat("ö", 61) + "!"

// Every code passes both ways, with its reason, and so does an empty Close.
func TestCodesPass(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, closeguard.Options{})
			proxy := p.start(t, s.addr, 60)
			for kind := range clients {
				for _, endpoint := range endpoints {
					t.Run(kind+" client"+endpoint, func(t *testing.T) {
						for _, code := range codes(closeguard.Server) {
							c, path := s.connect(t, proxy, kind, endpoint)
							c.say(order(code, reasonOf(code)))
							passes(t, s, c, path, code, "server")
						}
						for _, code := range codes(closeguard.Client) {
							c, path := s.connect(t, proxy, kind, endpoint)
							if err := c.close(code, reasonOf(code)); err != nil {
								t.Errorf("%d: %v", code, err)
							}
							passes(t, s, c, path, code, "client")
						}
					})
				}
			}
		})
	}
}

func reasonOf(code int) string {
	if code == 1005 {
		return ""
	}
	return reason
}

// passes checks what both sides say of a Close that one of them has begun.
func passes(t *testing.T, s *site, c client, path string, code int, by string) {
	t.Helper()
	read, err := c.end()
	if err != nil {
		t.Errorf("a %s's %d: %v", by, code, err)
	}
	begun := record.CodeText(code, reasonOf(code))
	answers := []string{begun, record.CodeText(code, "")} // not every library repeats the reason
	want, format := []string{begun}, "local closed %[3]d clean, sent %[1]s, received %[2]s"
	if by == "client" {
		want, format = answers, "peer closed %[3]d clean, sent %[2]s, received %[1]s"
	}
	if code == 1014 && read == refusal {
		want = []string{refusal}
		if by == "server" {
			answers = []string{record.CodeText(1002, refusal)}
		}
	}
	var events []string
	for _, answer := range answers {
		events = append(events, fmt.Sprintf(format, begun, answer, code))
	}
	if got := record.Full(s.event(t, path)); !slices.Contains(events, got) {
		t.Errorf("a %s's %d: event %s, want one of %q", by, code, got, events)
	}
	if !slices.Contains(want, read) {
		t.Errorf("a %s's %d: the client read %s, want one of %q", by, code, read, want)
	}
}
