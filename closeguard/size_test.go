package closeguard

import (
	"testing"
	"unsafe"
)

// What each connection is made of fits its size class: a field more may cost more than its
// own size.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, most uintptr
	}{
		{"link", unsafe.Sizeof(link{}), 248},
		{"labels", unsafe.Sizeof(labels{}), 80},
		{"lifetime", unsafe.Sizeof(lifetime{}), 112},
		{"Ending", unsafe.Sizeof(Ending{}), 256},
	} {
		if tt.got > tt.most {
			t.Errorf("%s has %d bytes, want at most %d", tt.name, tt.got, tt.most)
		}
	}
}
