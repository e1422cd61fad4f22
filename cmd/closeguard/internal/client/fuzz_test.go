package client

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzServer lets a server answer anything, before the opening and after it. The client
// comes to an end, sees no more than there was, and what it says of it is printable.
func FuzzServer(f *testing.F) {
	f.Add(false, []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add(false, []byte("HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"))
	f.Add(false, []byte{0x88, 0})
	f.Add(true, []byte{0x88, 2, 3, 0xe8})
	f.Add(true, []byte{0x88, 4, 3, 0xe8, 0xff, 0x1b, 0x89, 0, 0x8a, 0})
	f.Add(true, []byte{0x01, 1, 'a', 0x89, 1, 'b', 0x80, 0, 0x88, 0, 0x88, 0})
	f.Add(true, []byte{0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(true, []byte{0x82, 0x7e, 0, 1})
	f.Add(true, []byte{0x89, 48, 'x'}) // cut off in a ping
	f.Fuzz(func(t *testing.T, open bool, b []byte) {
		c, err := answered(t, Polite, func(accept string) []byte {
			if open {
				return append([]byte(switching(accept)), b...)
			}
			return b
		})
		if err != nil {
			return
		}
		s := c.Seen()
		if s.End == Open || s.Bytes > int64(len(b)) || s.After > len(b) || len(s.Pongs) > mostPongs {
			t.Errorf("%+v of %d bytes", s, len(b))
		}
		if s.Close == nil && (s.Illegal != nil || s.After > 0) {
			t.Errorf("%+v without a Close", s)
		}
		if said := s.String(); !utf8.ValidString(said) || strings.ContainsAny(said, "\x1b\n\r\x00") {
			t.Errorf("it says %q", said)
		}
	})
}
