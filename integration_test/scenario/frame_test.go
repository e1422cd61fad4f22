package scenario

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"

	"github.com/closeguard/ws/integration_test/rawpeer"
)

// A frame is one frame of the wire, legal or not, read by the oracle's own parser: it
// shares no code with closeguard or a library. Written frames are masked as they have to
// be by their side, and Bare ones as the other side would.
type frame = rawpeer.Frame

// The frames of the table.
var (
	text    = rawpeer.Text
	ping    = rawpeer.Ping
	pong    = rawpeer.Pong
	closing = rawpeer.Close
)

func binaryOf(n int) frame   { return rawpeer.Binary(make([]byte, n)) }
func closeOf(s string) frame { return rawpeer.ClosePayload([]byte(s)) }

// fragments cuts a text message.
func fragments(parts ...string) []frame { return rawpeer.Fragments(text(""), parts...) }

// deflated is a text message of permessage-deflate.
func deflated(s string) frame {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	io.WriteString(w, s)
	w.Flush()
	f := text(strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
	f.RSV = 4
	return f
}

// maskingKey is that of the examples in RFC 6455 section 5.7.
var maskingKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// encode returns the frames as a client or a server sends them.
func encode(client bool, frames ...frame) (b []byte) {
	for _, f := range frames {
		f.Bare = f.Bare == client
		b = f.Append(b, maskingKey)
	}
	return b
}

func inflate(b []byte) string {
	r := flate.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	all, err := io.ReadAll(r)
	if err != nil {
		return fmt.Sprintf("%v in % x", err, b)
	}
	return string(all)
}

// item is how the table writes a frame or message that came: `text "hi"`, `close 1000
// "bye"`, `close 1000`, `close empty`, `binary 70000 bytes`. What is wrong with a frame's
// header is told elsewhere.
func item(f frame) string {
	if f.Opcode == rawpeer.OpClose && f.Fin && f.RSV == 0 && len(f.Payload) < 126 {
		return "close " + closeText(f)
	}
	f.Masked, f.Padded = false, false
	return f.String()
}

// closeText is the payload of a Close: `1000 "bye"`, `1000`, `empty`, `of 61`.
func closeText(f frame) string {
	switch len(f.Payload) {
	case 0:
		return "empty"
	case 1:
		return fmt.Sprintf("of %x", f.Payload)
	}
	return frameText(f.CloseCode(), f.CloseReason())
}

func frameText(code int, reason string) string {
	if reason == "" {
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %q", code, reason)
}
