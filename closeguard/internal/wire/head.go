package wire

import "bytes"

// maxHead is how long an HTTP head may be before its end is no longer looked for.
const maxHead = 64 << 10

// Head follows the bytes of one direction of a connection up to the end of
// the HTTP response that opens a WebSocket, and remembers what the layer
// above needs of it. Its zero value is at the start of a response.
type Head struct {
	Status      int    // status code, 0 while unknown or not HTTP
	Subprotocol string // Sec-WebSocket-Protocol
	Extended    bool   // Sec-WebSocket-Extensions names something

	line []byte // the line begun by an earlier piece
	size int
	done bool
	bad  bool
}

// Feed takes the bytes of the head from the start of p and returns how many.
// When the blank line has come, Done is true and p[n:] is what follows.
func (h *Head) Feed(p []byte) int {
	for n := 0; ; {
		if h.done || h.bad {
			return n
		}
		i := bytes.IndexByte(p[n:], '\n')
		if i < 0 {
			h.line = append(h.line, p[n:]...)
			h.bad = h.size+len(h.line) > maxHead
			return len(p)
		}
		line := p[n : n+i]
		if len(h.line) > 0 {
			h.line = append(h.line, line...)
			line = h.line
		}
		h.take(bytes.TrimSuffix(line, []byte("\r")))
		h.size += len(line) + 1
		h.bad = h.bad || h.size > maxHead
		h.line = h.line[:0]
		n += i + 1
	}
}

func (h *Head) take(line []byte) {
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
		h.Subprotocol = string(value)
	case bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")):
		h.Extended = h.Extended || len(value) > 0
	}
}

// status reads the code of a status line such as "HTTP/1.1 101 Switching
// Protocols", 0 if the line isn't one.
func status(line []byte) int {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(rest) < 3 {
		return 0
	}
	code := 0
	for _, c := range rest[:3] {
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
