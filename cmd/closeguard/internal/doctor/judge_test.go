package doctor

import (
	"errors"
	"testing"
	"time"

	"github.com/closeguard/ws/closeguard"
	"github.com/closeguard/ws/cmd/closeguard/internal/client"
)

func closed(code closeguard.Code, end client.End) client.Seen {
	return client.Seen{Close: &closeguard.CloseFrame{Code: code}, End: end}
}

// What the judges make of what was seen: repeats of an echo of 4000, refuses, outlives
// and delivers of a fault, and orNew of 1016.
func TestJudges(t *testing.T) {
	illegal, behind, broken := closed(4000, client.FIN), closed(4000, client.FIN), closed(4000, client.FIN)
	illegal.Illegal, behind.After, broken.Broken = errors.New("illegal"), 1, "a masked frame"
	judges := []func(outcome) Verdict{
		repeats(4000), refuses(closeguard.ProtocolError), outlives(closeguard.ProtocolError), delivers(closeguard.ProtocolError), orNew(1016),
		refusesUpload, staysOrCloses, isTold, endsSomehow,
	}
	g, b, c := Good, Bad, CantTell
	tests := []struct {
		name  string
		seen  client.Seen
		limit time.Duration
		want  [9]Verdict
	}{
		{"its own code", closed(4000, client.FIN), time.Minute, [9]Verdict{g, b, b, b, b, b, g, g, g}},
		{"its own code, and a reset", closed(4000, client.Reset), time.Minute, [9]Verdict{g, b, b, b, b, b, g, g, g}},
		{"its own code, TCP open for a minute", closed(4000, client.Open), time.Minute, [9]Verdict{b, b, b, b, b, b, g, g, c}},
		{"its own code, TCP open for a second", closed(4000, client.Open), time.Second, [9]Verdict{c, b, b, b, b, b, g, g, c}},
		{"normal closure", closed(1000, client.FIN), time.Minute, [9]Verdict{c, b, b, b, c, c, g, g, g}},
		{"no code", closed(1005, client.FIN), time.Minute, [9]Verdict{c, b, b, b, b, b, g, g, g}},
		{"a code that is free", closed(1016, client.FIN), time.Minute, [9]Verdict{b, b, b, b, c, b, g, g, g}},
		{"protocol error", closed(1002, client.FIN), time.Minute, [9]Verdict{b, g, g, g, g, b, g, g, g}},
		{"protocol error, and a reset", closed(1002, client.Reset), time.Minute, [9]Verdict{b, g, g, b, g, b, g, g, g}},
		{"protocol error, TCP open for 15 s", closed(1002, client.Open), 15 * time.Second, [9]Verdict{b, b, c, c, b, b, g, g, c}},
		{"protocol error, TCP open for a minute", closed(1002, client.Open), time.Minute, [9]Verdict{b, b, b, b, b, b, g, g, c}},
		{"too big", closed(1009, client.FIN), time.Minute, [9]Verdict{b, b, b, b, b, g, g, g, g}},
		{"too big, and a reset", closed(1009, client.Reset), time.Minute, [9]Verdict{b, b, b, b, b, b, g, g, g}},
		{"nothing", client.Seen{}, time.Minute, [9]Verdict{b, b, b, b, b, b, g, c, c}},
		{"FIN alone", client.Seen{End: client.FIN}, time.Minute, [9]Verdict{b, b, b, b, b, b, b, b, g}},
		{"a reset alone", client.Seen{End: client.Reset}, time.Minute, [9]Verdict{b, b, b, b, b, b, b, b, g}},
		{"an illegal Close", illegal, time.Minute, [9]Verdict{b, b, b, b, b, b, b, b, g}},
		{"a frame behind it", behind, time.Minute, [9]Verdict{b, b, b, b, b, b, b, b, g}},
		{"a broken frame", broken, time.Minute, [9]Verdict{b, b, b, b, b, b, b, b, g}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, judge := range judges {
				if got := judge(outcome{Seen: tt.seen, limit: tt.limit}); got != tt.want[i] {
					t.Errorf("judge %d: %v, want %v", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestOpinions(t *testing.T) {
	tests := []struct {
		name    string
		results []Result
		status  int
		faults  int
	}{
		{"nothing", nil, 2, 0},
		{"good", []Result{{Verdict: Good}}, 0, 0},
		{"one bad", []Result{{Verdict: Good}, {Verdict: Bad, Kind: echo}}, 1, 1},
		{"two bad of a kind", []Result{{Verdict: Bad, Kind: echo}, {Verdict: Good}, {Verdict: Bad, Kind: echo}}, 1, 1},
		{"two bad of two kinds", []Result{{Verdict: Bad, Kind: echo}, {Verdict: Bad, Kind: rude}}, 1, 2},
		{"good, and one can't tell", []Result{{Verdict: Good}, {}}, 0, 0},
		{"can't tell", []Result{{}, {}}, 2, 0},
		{"good, and one that got no connection", []Result{{Verdict: Good}, {Unexamined: true}}, 2, 0},
		{"bad, and one that got no connection", []Result{{Verdict: Bad, Kind: echo}, {Unexamined: true}}, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Judge(tt.results)
			if o.ExitStatus() != tt.status || len(o.Faults) != tt.faults {
				t.Errorf("status %d, %d faults, want %d, %d", o.ExitStatus(), len(o.Faults), tt.status, tt.faults)
			}
		})
	}
}
