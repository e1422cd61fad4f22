package metrictest

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// Scrape is what a server of Prometheus gets at the moment at which [Play] calls look, in
// the text format, with nothing but what closeguard measures.
//
//go:embed scrape.txt
var Scrape string

// Compare reports the lines in which a scrape differs from what is wanted.
func Compare(t *testing.T, got, want string) {
	t.Helper()
	lines := func(text string) map[string]bool {
		set := make(map[string]bool)
		for line := range strings.Lines(text) {
			set[line] = true
		}
		return set
	}
	for line := range lines(got) {
		if !lines(want)[line] {
			t.Errorf("too many: %s", line)
		}
	}
	for line := range lines(want) {
		if !lines(got)[line] {
			t.Errorf("missing: %s", line)
		}
	}
}

// Flood tells of 20,000 ends and as many refusals of which hostile peers chose all that they
// can: every code below 6000 in every kind of end, every status, and 200,000 different
// reasons, paths, routes and errors.
func Flood(seed uint64, observe func(closeguard.Event)) {
	random := rand.New(rand.NewPCG(seed, 1))
	text := func() string { return fmt.Sprintf("%s%x", Hostile, random.Uint64()) }
	const codes = 6000
	for i := range 20_000 {
		frame := func() *closeguard.CloseFrame {
			return &closeguard.CloseFrame{Code: closeguard.Code(i%codes + i/(3*codes)*codes), Reason: text()}
		}
		info := closeguard.ConnInfo{
			Guarded: true, Remote: text(), Route: text(), Path: text(), Subprotocol: text(), Offered: []string{text()},
		}
		ending := closeguard.Ending{ConnInfo: info, Intended: frame(), Err: hostileError(text())}
		switch i / codes % 3 {
		case 0:
			ending.Received = frame()
			observe(&closeguard.PeerClosed{Ending: ending})
		case 1:
			ending.Sent = frame()
			observe(&closeguard.LocalClosed{Ending: ending})
		case 2:
			observe(&closeguard.Dropped{Ending: ending})
		}
		observe(&closeguard.Refused{ConnInfo: info, Status: i % 1000, Err: hostileError(text())})
	}
}

type hostileError string

func (e hostileError) Error() string { return string(e) }

// Harmless reports bytes in an output that a peer must not get into it, and values.
func Harmless(t *testing.T, output string) {
	t.Helper()
	for i, c := range []byte(output) {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Fatalf("byte %#x in %q", c, output[max(0, i-80):min(len(output), i+20)])
		}
	}
	if strings.Contains(output, "<script>") {
		t.Errorf("a peer's words in\n%s", output)
	}
}
