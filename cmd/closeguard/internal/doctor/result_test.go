package doctor

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	tests := map[string]string{
		"plain":                   "plain",
		"Ende, 終, \U0001F51A":     "Ende, 終, \U0001F51A",
		"\x1b[31mred\r\n\t\x00":   `\x1b[31mred\r\n\t\x00`,
		"\u202eright to left":     `\u202eright to left`,
		"\u2028line\u0085\u00a0x": `\u2028line\u0085\u00a0x`,
		"\xff\xfe":                "\uFFFD",
		strings.Repeat("x", 1000): strings.Repeat("x", mostSeen) + "...",
	}
	for in, want := range tests {
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
