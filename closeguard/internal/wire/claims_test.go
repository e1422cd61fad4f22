package wire

import "testing"

func TestClaims(t *testing.T) {
	for extensions, want := range map[string]byte{
		"":   0,
		" ,": 0,
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover": 4,
		"Permessage-Deflate":                       4,
		"permessage-deflate;x=\"1\", mux":          7,
		"x-webkit-deflate-frame":                   7,
		"permessage-deflate , permessage-deflate":  4,
		"permessage-deflate-frame; not=the, same ": 7,
	} {
		if got := Claims(extensions); got != want {
			t.Errorf("Claims(%q) = %d, want %d", extensions, got, want)
		}
	}
}
