package closing

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const notUTF8 = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited" // a surrogate after Greek; Autobahn 7.5.1

var roles = []Role{Server, Client}

func closePayload(code uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, code), reason...)
}

func stars(n int) string { return strings.Repeat("*", n) }

// String tells a frame in a test.
func (f Frame) String() string {
	if f.Reason == "" {
		return fmt.Sprint(f.Code)
	}
	return fmt.Sprintf("%d %q", f.Code, f.Reason)
}
