package doctor

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed expected.txt
var expectedText string

// expected is what expected.txt says of one endpoint: verdicts by probe, and by kind with a star.
type expected map[string]string

func (e expected) of(probe string) string {
	kind, _, _ := strings.Cut(probe, "/")
	for _, name := range []string{probe, kind + "/*"} {
		if verdict, ok := e[name]; ok {
			return verdict
		}
	}
	return "good"
}

func expect(t *testing.T, endpoint string) expected {
	t.Helper()
	sections := make(map[string]expected)
	var section expected
	for line := range strings.Lines(expectedText) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = make(expected)
			sections[strings.TrimSuffix(name, "]")] = section
			continue
		}
		probes, verdict, _ := strings.Cut(line, " | ")
		for probe := range strings.SplitSeq(probes, ", ") {
			section[probe] = verdict
		}
	}
	if sections[endpoint] == nil {
		t.Fatalf("expected.txt has no section [%s]", endpoint)
	}
	return sections[endpoint]
}
