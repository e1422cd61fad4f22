package closeguard

import (
	"log/slog"

	"github.com/closeguard/ws/closeguard/internal/wire"
)

// Traffic is what a connection has carried, from the opening handshake to the Close frame
// of each direction, or to a frame that breaks a rule of framing.
//
// A message counts when the last byte of its last frame has gone: one that was cut off
// doesn't, and control frames are no messages. Bytes are those of messages' payload as it
// is on the wire: what of a message that was cut off had gone by then counts, headers and
// control frames don't, and of compressed messages it is the compressed size.
//
// What was received was read from the transport, by the library, or by the guard when the
// library read no more; what was sent was taken by the transport. Of a Write that is still
// under way when TCP ends, what it had sent may not be counted.
type Traffic struct {
	ReceivedMessages, ReceivedBytes uint64
	SentMessages, SentBytes         uint64
}

// traffic counts for one connection. Its link's mu guards it: while it counts there is no
// way around that, see enableFast. A nil traffic counts nothing.
type traffic struct{ in, out wire.Meter }

func newTraffic(ours Role) *traffic {
	t := new(traffic)
	t.in.Masked, t.out.Masked = ours != Client, ours == Client
	return t
}

// traffic is what is counted of the connection, nil before it opens and where nothing is.
func (i *identity) traffic() *traffic {
	if i.labels == nil {
		return nil
	}
	return i.labels.traffic
}

// received takes what was read, with the reserved bits that extensions use.
func (t *traffic) received(p []byte, claimed byte) {
	if t != nil {
		t.in.Take(p, claimed)
	}
}

// sent takes what the transport took.
func (t *traffic) sent(p []byte, claimed byte) {
	if t != nil {
		t.out.Take(p, claimed)
	}
}

// total is what has gone so far.
func (t *traffic) total() *Traffic {
	if t == nil {
		return nil
	}
	return &Traffic{t.in.Messages, t.in.Bytes, t.out.Messages, t.out.Bytes}
}

// appendAttrs adds the keys of a log line, if it was counted.
func (t *Traffic) appendAttrs(attrs []slog.Attr) []slog.Attr {
	if t == nil {
		return attrs
	}
	return append(attrs,
		slog.Uint64("received_messages", t.ReceivedMessages),
		slog.Uint64("received_bytes", t.ReceivedBytes),
		slog.Uint64("sent_messages", t.SentMessages),
		slog.Uint64("sent_bytes", t.SentBytes))
}
