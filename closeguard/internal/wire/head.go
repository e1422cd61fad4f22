package wire

import (
	"bytes"
	"strings"
)

// protocol is what every response begins with.
const protocol = "HTTP/1."

// maxHead is how long an HTTP head may be before its end is no longer looked for.
const maxHead = 64 << 10

// Head follows the bytes of one direction of a connection up to the end of
// the HTTP response that opens a WebSocket, and remembers what the layer
// above needs of it. Its zero value is at the start of a response.
type Head struct {
	Status      int    // status code, 0 while unknown or not HTTP
	Subprotocol string // Sec-WebSocket-Protocol
	Claimed     byte   // what Sec-WebSocket-Extensions claims, see [Claims]

	line []byte // the line begun by an earlier piece
	size int
	done bool
	bad  bool
}

// Feed takes the bytes of the head from the start of p and returns how many.
// When the blank line has come, Done is true and p[n:] is what follows. When
// Bad is true, the count says nothing.
func (h *Head) Feed(p []byte) int {
	for n := 0; ; {
		if h.done || h.bad {
			return n
		}
		line := p[n:]
		i := bytes.IndexByte(line, '\n')
		if i >= 0 {
			line = line[:i+1]
		}
		n += len(line)
		h.size += len(line)
		switch {
		case h.size > maxHead:
			h.bad, h.line = true, nil
		case i < 0:
			h.line = append(h.line, line...)
			if start := h.line[:min(len(h.line), len(protocol))]; h.Status == 0 && !strings.HasPrefix(protocol, string(start)) {
				h.bad, h.line = true, nil
			}
			return n
		case len(h.line) > 0:
			h.line = append(h.line, line...)
			h.take(h.line)
			h.line = h.line[:0]
		default:
			h.take(line)
		}
	}
}

// take reads a whole line.
func (h *Head) take(line []byte) {
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	if h.Status == 0 {
		h.Status = status(line)
		h.bad = h.Status == 0
		return
	}
	if len(line) == 0 {
		h.line = nil
		h.done = true
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Sec-WebSocket-Protocol")):
		if h.Subprotocol == "" { // the first, as http.Header.Get returns it
			h.Subprotocol = string(value)
		}
	case bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")):
		h.Claimed |= Claims(string(value))
	}
}

// status reads the code of a status line such as "HTTP/1.1 101 Switching
// Protocols", 0 if the line isn't one.
func status(line []byte) int {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	if !bytes.HasPrefix(version, []byte(protocol)) || len(digits) != 3 {
		return 0
	}
	code := 0
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0
		}
		code = code*10 + int(c-'0')
	}
	return code
}

// Done reports whether the whole head has come.
func (h *Head) Done() bool { return h.done }

// Bad reports whether what came is no HTTP head, or one too long to follow.
func (h *Head) Bad() bool { return h.bad }
