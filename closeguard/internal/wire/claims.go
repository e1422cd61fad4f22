package wire

import "strings"

// Reserved are all reserved bits.
const Reserved byte = 7

// deflated is the reserved bit that permessage-deflate uses in the first frame
// of a message (RFC 7692 section 6).
const deflated = 4

// Claims returns which reserved bits of data frames are the business of the
// extensions that a Sec-WebSocket-Extensions header names, RSV1 being 4: those
// of permessage-deflate, and all of them for an extension that isn't known.
func Claims(extensions string) byte {
	var rsv byte
	for extension := range strings.SplitSeq(extensions, ",") {
		name, _, _ := strings.Cut(extension, ";")
		switch name = strings.TrimSpace(name); {
		case name == "":
		case strings.EqualFold(name, "permessage-deflate"):
			rsv |= deflated
		default:
			rsv |= Reserved
		}
	}
	return rsv
}
