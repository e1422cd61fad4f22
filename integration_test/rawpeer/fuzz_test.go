package rawpeer

import (
	"bytes"
	"testing"
)

// The oracle's own parser: a frame that it reads is the one that Append writes,
// in fewer bytes if its length was padded, and a frame without its last byte is none.
func FuzzParse(f *testing.F) {
	for _, stream := range []string{
		"\x81\x05Hello", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "\x88\x00", "\x88\x7e\x00\x02\x03\xe8",
		"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", "\x88\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "\x01\x00\x80\x00",
	} {
		f.Add([]byte(stream))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, n := Parse(b)
		if n == 0 {
			// With enough behind it any frame ends, but for one too long to be held.
			if _, n := Parse(append(bytes.Clone(b), make([]byte, 70_000)...)); n == 0 && (len(b) < 2 || b[1]&0x7f != 127) {
				t.Errorf("%x and 70,000 bytes are no frame", b)
			}
			return
		}
		if _, short := Parse(b[:n-1]); short != 0 {
			t.Errorf("%x is a frame without its last byte, too", b[:n])
		}
		again := frame
		again.Bare, again.Padded = !frame.Masked, false
		if written := again.Append(nil, frame.Mask); !frame.Padded && !bytes.Equal(written, b[:n]) || frame.Padded && len(written) >= n {
			t.Errorf("%x is read as %v, which is %x", b[:n], frame, written)
		}
	})
}
