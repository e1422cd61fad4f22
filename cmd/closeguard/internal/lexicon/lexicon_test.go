package lexicon

import (
	"slices"
	"strings"
	"testing"

	"github.com/closeguard/ws/closeguard"
)

func TestEveryCodeIsExplained(t *testing.T) {
	for code := closeguard.Code(-1); code < 5002; code++ {
		e := Look(code)
		for _, part := range []string{e.Shows, e.Causes, e.Cures} {
			if !strings.HasSuffix(strings.TrimSpace(part), ".") {
				t.Errorf("%d: %q is no sentence", code, part)
			}
		}
		if e.Sender == "" || e.Name != code.String() {
			t.Errorf("%d: %+v", code, e)
		}
	}
}

// Every row of the registry has a text of its own, and each text has a row.
func TestTexts(t *testing.T) {
	for code := closeguard.Code(0); code < 5000; code++ {
		if _, own := texts[code]; own != (code.Name() != "") {
			t.Errorf("%v: a text of its own: %v", code, own)
		}
	}
}

func TestSender(t *testing.T) {
	for code, want := range map[closeguard.Code]string{
		0: "nobody", 999: "nobody", 1000: "both sides", 1004: "nobody", 1005: "nobody: it stands for a Close without a code", 1006: "nobody",
		1010: "clients only", 1014: "both sides", 1015: "nobody", 1016: "nobody", 2999: "nobody", 3000: "both sides", 4999: "both sides", 5000: "nobody",
	} {
		if got := Look(code).Sender; got != want {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
}

func TestAll(t *testing.T) {
	all := All()
	if !slices.IsSortedFunc(all, func(a, b Entry) int { return int(a.Code - b.Code) }) {
		t.Error("not in order")
	}
	for _, code := range []closeguard.Code{1000, 1006, 1015, 3000, 3500, 4401} {
		if !slices.ContainsFunc(all, func(e Entry) bool { return e.Code == code }) {
			t.Errorf("%d is missing", code)
		}
	}
	e := Look(3008)
	if len(e.Names) != 1 || e.Names[0] != (Named{"Centrifugo", "slow"}) {
		t.Errorf("3008: %+v", e.Names)
	}
}
