package closeguard_test

import (
	"testing"

	"github.com/closeguard/ws/closeguard"
)

// Which reserved bits may be set in a data frame depends on what the opening
// handshake agreed on. Of a Conn of WrapConn nobody knows until it is told.
func TestReservedBits(t *testing.T) {
	const deflate = "permessage-deflate; server_no_context_takeover"
	for name, tt := range map[string]struct {
		tell   []string // for Extensions, if there is any
		frames []frame
		closes string
	}{
		"nothing known":                     {nil, []frame{{0xf1, "x"}}, "close 1001"},
		"no extension":                      {[]string{""}, []frame{{0xc1, "x"}}, "close 1002"},
		"deflate, RSV1":                     {[]string{deflate}, []frame{{0xc1, "x"}}, "close 1001"},
		"deflate, RSV2":                     {[]string{deflate}, []frame{{0xe1, "x"}}, "close 1002"},
		"deflate, RSV3":                     {[]string{deflate}, []frame{{0xd1, "x"}}, "close 1002"},
		"deflate, RSV1 on a continuation":   {[]string{deflate}, []frame{{0x41, "x"}, {0xc0, "y"}}, "close 1002"},
		"deflate, RSV1 on a ping":           {[]string{deflate}, []frame{{0xc9, ""}}, "close 1002"},
		"another extension":                 {[]string{deflate + ", mux"}, []frame{{0x71, "x"}, {0xf0, "y"}}, "close 1001"},
		"another extension, RSV3 on a ping": {[]string{deflate + ", mux"}, []frame{{0x99, ""}}, "close 1002"},
	} {
		for _, role := range bothRoles {
			t.Run(name+" "+role.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					c := guard(t, role, closeguard.Options{})
					for _, header := range tt.tell {
						c.Driver().Extensions(header)
					}
					c.send(tt.frames...)
					c.read(tt.frames...)
					c.Close()
					c.peerGets(tt.closes)
					c.Abort()
					<-c.Done()
				})
			})
		}
	}
}
